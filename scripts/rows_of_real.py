"""Rows for tables that somebody else designed, and what became of them.

`Catalogue` is what stands in a database; `seed` puts rows into its tables, by the types of their
columns and as their constraints let it; `Held` keeps every row as text, to be looked for afterwards.
Written without a look at how rowsafe compares.
"""

import collections
import json
import random
import re

ROWS = 8
TRIES = 8

CATALOGUE = r"""
SELECT json_build_object(
  'tables', (SELECT json_agg(json_build_object(
      'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname,
      'columns', (SELECT coalesce(json_agg(json_build_object(
          'number', attnum, 'name', attname, 'type', format_type(atttypid, atttypmod),
          'base', coalesce(nullif(t.typbasetype, 0)::regtype, t.oid::regtype)::text,
          'kind', t.typtype, 'required', attnotnull, 'default', atthasdef,
          'fixed', attgenerated <> '' OR attidentity = 'a', 'computed', attgenerated <> '',
          'length', CASE WHEN t.typname IN ('varchar', 'bpchar') AND atttypmod > 4
                         THEN atttypmod - 4 END,
          'labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
                      WHERE enumtypid = t.oid)) ORDER BY attnum), '[]')
        FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
       WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
      'key', (SELECT coalesce(json_agg(k), '[]') FROM pg_index, unnest(indkey::int2[]) k
               WHERE indrelid = c.oid AND indisprimary),
      'unique', (SELECT coalesce(json_agg(DISTINCT k), '[]') FROM pg_index, unnest(indkey::int2[]) k
                  WHERE indrelid = c.oid AND indisunique AND k > 0),
      'parents', (SELECT coalesce(json_agg(json_build_object('table', confrelid::bigint,
                    'columns', conkey, 'of', confkey)), '[]')
                    FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),
      'checks', (SELECT coalesce(json_agg(json_build_object('columns', conkey,
                   'text', pg_get_constraintdef(oid))), '[]')
                   FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c')
    ) ORDER BY c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'alembic_version'
     AND n.nspname !~ '^(pg_|information_schema)'))
"""


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    escaped = text.replace("'", "''")
    return f"E'{escaped}'" .replace("\\", "\\\\") if "\\" in text else f"'{escaped}'"


class Catalogue:
    """The tables of a database, parents before children."""

    def __init__(self, server, database):
        told = json.loads(server.psql(CATALOGUE, database))
        tables = told["tables"] or []
        self.tables = {table["oid"]: table for table in in_order(tables)}

    def name(self, oid):
        table = self.tables[oid]
        return f"{quoted(table['schema'])}.{quoted(table['name'])}"


def in_order(tables):
    waiting, placed = list(tables), set()
    while waiting:
        ready = [table for table in waiting
                 if all(parent["table"] in placed | {table["oid"]} for parent in table["parents"])]
        # Tables that refer to each other come as they are.
        for table in ready or waiting[:1]:
            placed.add(table["oid"])
            waiting.remove(table)
            yield table


# --- rows ------------------------------------------------------------------------------------


class Seeder:
    """Fills tables that have few rows, and columns that are new; `plain` leaves out what is odd."""

    def __init__(self, server, database):
        self.server, self.database = server, database
        self.seen = set()
        self.number = 0

    def seed(self, plain=False, text=""):
        """`text` is the revision that comes: its own words are what its conditions look for."""
        catalogue = Catalogue(self.server, self.database)
        script = []
        for oid, table in catalogue.tables.items():
            script += self.new_rows(catalogue, oid, table, plain)
        for oid, table in catalogue.tables.items():
            script += self.new_columns(catalogue, oid, table, plain)
            script += self.words(catalogue, oid, table, text)
        self.server.psql("\n".join(script) or "SELECT 1", self.database)
        self.seen = {(oid, column["number"]) for oid, table in catalogue.tables.items()
                     for column in table["columns"]}

    def new_rows(self, catalogue, oid, table, plain):
        for attempt in range(ROWS * TRIES):
            self.number += 1
            columns = [column for column in table["columns"]
                       if not column["fixed"] and not self.takes_default(table, column, attempt)]
            names = ", ".join(quoted(column["name"]) for column in columns)
            values = ", ".join(self.value(catalogue, table, column, attempt, plain)
                               for column in columns)
            into = f"({names}) VALUES ({values})" if columns else "DEFAULT VALUES"
            name = catalogue.name(oid)
            yield tried(f"IF (SELECT count(*) FROM {name}) < {ROWS} THEN"
                        f" INSERT INTO {name} {into}; END IF;")

    def new_columns(self, catalogue, oid, table, plain):
        """A column that an earlier revision added holds a default or NULLs: half of it is filled."""
        for column in table["columns"]:
            if (oid, column["number"]) in self.seen or column["fixed"]:
                continue
            if not any(known == oid for known, _ in self.seen):
                continue
            for row in range(0, ROWS, 2):
                self.number += 1
                value = self.value(catalogue, table, column, row + 1, True)
                name = catalogue.name(oid)
                yield tried(f"UPDATE {name} SET {quoted(column['name'])} = {value} WHERE ctid ="
                            f" (SELECT ctid FROM {name} ORDER BY ctid OFFSET {row} LIMIT 1);")

    def words(self, catalogue, oid, table, text):
        """The words of the revision that comes, in the columns that it names."""
        words = set(re.findall(r"""['"]([A-Za-z_][\w.:-]{0,30})['"]""", text))
        names = {column["name"] for column in table["columns"]}
        words = sorted(words - names - {t["name"] for t in catalogue.tables.values()})
        if table["name"] not in re.findall(r"\w+", text) or not words:
            return
        for column in table["columns"]:
            children = [number for parent in table["parents"] for number in parent["columns"]]
            is_free = column["number"] not in table["key"] + children
            is_text = column["base"] in ("text", "character varying") or column["labels"]
            if not (is_free and is_text and column["name"] in re.findall(r"\w+", text)):
                continue
            name = catalogue.name(oid)
            # Two rows stay as they are.
            for row, word in enumerate(random.Random(text).sample(words, min(len(words), ROWS))):
                yield tried(f"UPDATE {name} SET {quoted(column['name'])} = {literal(word)} WHERE ctid ="
                            f" (SELECT ctid FROM {name} ORDER BY ctid OFFSET {row % (ROWS - 2)} LIMIT 1);")

    def takes_default(self, table, column, attempt):
        return column["default"] and (column["number"] in table["key"] or attempt % 2 == 0)

    def value(self, catalogue, table, column, attempt, plain):
        # A row that a check refuses is tried again with other columns left out.
        chance = random.Random(f"{self.number} {column['number']}")
        often = 0 if plain and attempt < ROWS else (0.25, 0.5, 0.75, 0)[attempt // ROWS % 4]
        may_be_null = not column["required"] and column["number"] not in table["key"]
        if may_be_null and chance.random() < often:
            return "NULL"
        for parent in table["parents"]:
            if column["number"] in parent["columns"]:
                return self.of_parent(catalogue, table, column, parent, attempt)
        for check in table["checks"]:
            allowed = re.findall(r"'((?:[^']|'')*)'::", check["text"])
            is_text = column["base"] in ("text", "character varying")
            if allowed and column["number"] in check["columns"] and is_text:
                if check["columns"] == [column["number"]] or chance.random() < 0.7:
                    return f"'{chance.choice(allowed)}'"
        is_unique = column["number"] in table["unique"]
        return value_of(column, attempt, self.number, plain or is_unique)

    def of_parent(self, catalogue, table, column, parent, attempt):
        if parent["table"] == table["oid"] and attempt == 0 and not column["required"]:
            return "NULL"
        numbers = dict(zip(parent["columns"], parent["of"]))
        of = catalogue.tables[parent["table"]]
        name = next(c["name"] for c in of["columns"] if c["number"] == numbers[column["number"]])
        source = catalogue.name(parent["table"])
        return (f"(SELECT {quoted(name)} FROM {source} ORDER BY ctid LIMIT 1 OFFSET"
                f" {attempt} % (SELECT greatest(count(*), 1) FROM {source}))")


def tried(statement):
    return f"DO $seed$ BEGIN {statement} EXCEPTION WHEN others THEN NULL; END $seed$;"


TEXTS = ("name {}", "it's {}, \"quoted\"", "ünïcode 文字 {}", "{} " + "x" * 300)
JSONS = ('{{"a": {0}, "name": "value {0}"}}', '{{"list": [1, {0}], "none": null}}', "{{}}", "[{0}, \"b\"]")


def value_of(column, attempt, number, plain):
    base = column["base"]
    if column["labels"]:
        return f"'{column['labels'][attempt % len(column['labels'])]}'"
    if base.endswith("[]"):
        element = dict(column, base=base[:-2], labels=None)
        return f"ARRAY[{value_of(element, attempt, number, plain)}]::{column['type']}"
    if base in ("text", "character varying", "character", "name"):
        shape = "{} name" if column["length"] and column["length"] < 20 else TEXTS[
            0 if plain else attempt % len(TEXTS)]
        return literal(shape.format(number)[: column["length"]].strip())
    if base in ("json", "jsonb"):
        return literal(JSONS[0 if plain else attempt % len(JSONS)].format(number))
    moment = f"timestamp '2024-02-28 23:59:59.123456' + interval '{number} hours'"
    simple = {
        "smallint": str(number % 30000), "integer": str(number), "bigint": str(number + 2**33),
        "numeric": f"{number % 100}.25", "real": f"{number}.5", "double precision": f"{number}.125",
        "boolean": "true" if attempt % 2 else "false", "uuid": f"md5('{number}')::uuid",
        "timestamp without time zone": moment, "timestamp with time zone": f"({moment})",
        "date": f"({moment})::date", "time without time zone": f"({moment})::time",
        "interval": f"interval '{number} minutes'", "bytea": f"decode(md5('{number}'), 'hex')",
        "inet": f"'10.0.0.{number % 250}'",
    }
    return simple.get(base, "NULL")


def empty(server, database):
    """Takes every row out again."""
    catalogue = Catalogue(server, database)
    names = ", ".join(catalogue.name(oid) for oid in catalogue.tables)
    if names:
        server.psql(f"TRUNCATE {names} CASCADE", database)


# --- what became of them -----------------------------------------------------------------------


class Held:
    """Every row of every table at one moment, as text."""

    def __init__(self, server, database):
        self.server, self.database = server, database
        self.catalogue = Catalogue(server, database)
        plain = {oid: [quoted(column["name"]) for column in table["columns"]]
                 for oid, table in self.catalogue.tables.items()}
        self.rows = copied(server, database, self.catalogue, plain)

    def gone(self):
        """What of it is not there any more, by table."""
        now = Catalogue(self.server, self.database)
        names = {(table["schema"], table["name"]): oid for oid, table in now.tables.items()}
        pairs, shown = {}, {}
        for oid, table in self.catalogue.tables.items():
            other = oid if oid in now.tables else names.get((table["schema"], table["name"]))
            if other is not None:
                shared = list(shared_columns(table, now.tables[other], other == oid))
                pairs[oid] = other, shared
                shown[oid] = [self.as_before(now, other, *both) for both in shared]
        sources = {oid: other for oid, (other, _) in pairs.items()}
        rows = copied(self.server, self.database, now, shown, sources)
        for oid, table in self.catalogue.tables.items():
            gone = Gone(table, self.rows[oid])
            if oid in pairs:
                other, shared = pairs[oid]
                gone.is_new = other != oid
                gone.look([before for before, _ in shared], rows[oid])
                gone.mend_columns(now.tables[other], other == oid)
            else:
                gone.table, gone.rows = True, len(self.rows[oid])
            yield gone

    def as_before(self, now, other, before, after):
        """A column in the type that it had, as far as its values go back into it."""
        name = quoted(after["name"])
        if before["type"] == after["type"]:
            return name
        for cast in (f"({name})::{before['type']}", f"({name}::text)::{before['type']}"):
            counted = f"SELECT count({cast}::text) FROM ONLY {now.name(other)}"
            if self.server.run_psql(counted, self.database).returncode == 0:
                return cast
        return name


def copied(server, database, catalogue, columns, sources=None):
    """The rows of each table, each a tuple of texts in COPY's own writing, None for NULL."""
    script = ["SET TimeZone = 'UTC';", "SET extra_float_digits = 3;"]
    for oid, shown in columns.items():
        table = catalogue.name(sources[oid] if sources else oid)
        script.append(f"\\echo @@table {oid}")
        script.append(f"COPY (SELECT 1, {', '.join(shown)} FROM {table}) TO STDOUT;" if shown else "")
    rows = collections.defaultdict(list)
    current = None
    done = server.run_psql("\n".join(script), database)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    for line in done.stdout.split("\n"):
        if line.startswith("@@table "):
            current = int(line.split()[1])
        elif line:
            rows[current].append(tuple(None if field == "\\N" else field
                                       for field in line.split("\t")[1:]))
    return rows


def shared_columns(before, after, is_same):
    numbers = {column["number"]: column for column in after["columns"]} if is_same else {}
    names = {column["name"]: column for column in after["columns"]}
    for column in before["columns"]:
        other = numbers.get(column["number"]) or names.get(column["name"])
        if other:
            yield column, other


class Gone:
    """What is gone of one table: rows, columns with their values, values in place."""

    def __init__(self, table, rows):
        self.table_name, self.schema, self.before = table["name"], table["schema"], rows
        self.columns_before, self.key = table["columns"], table["key"]
        self.table = self.is_new = False
        self.rows = 0
        self.columns = {}
        self.values = collections.Counter()
        self.keyed = True

    def look(self, shared, rows):
        fields = [self.columns_before.index(column) for column in shared]
        for at, column in enumerate(self.columns_before):
            if at not in fields:
                held = sum(row[at] is not None for row in self.before)
                self.columns[column["name"]] = held
        numbers = [column["number"] for column in shared]
        self.keyed = bool(self.key) and all(number in numbers for number in self.key)
        compared = [(at, field) for at, field in enumerate(fields)
                    if not self.columns_before[field]["computed"]]
        if self.keyed:
            key = [numbers.index(number) for number in self.key]
            self.by_key(key, [fields[at] for at in key], compared, rows)
        else:
            self.by_all(compared, rows)

    def by_key(self, key, key_before, compared, rows):
        found = {tuple(row[at] for at in key): row for row in rows}
        for before in self.before:
            now = found.get(tuple(before[field] for field in key_before))
            if now is None:
                self.rows += 1
                continue
            for at, field in compared:
                if before[field] is not None and before[field] != now[at]:
                    self.values[self.columns_before[field]["name"]] += 1

    def by_all(self, compared, rows):
        left = collections.Counter(tuple(row[at] for at, _ in compared) for row in rows)
        held = collections.Counter(tuple(row[field] for _, field in compared) for row in self.before)
        missing, new = held - left, left - held
        self.rows = max(0, missing.total() - new.total())
        if not missing or not new:
            return
        for index, (_, field) in enumerate(compared):
            lost = (collections.Counter(row[index] for row in missing.elements())
                    - collections.Counter(row[index] for row in new.elements()))
            del lost[None]
            if lost.total() > self.rows:
                self.values[self.columns_before[field]["name"]] += lost.total() - self.rows

    def mend_columns(self, after, is_same):
        """What has another number under an old name went with its column, unless all is there."""
        numbers = {column["number"] for column in after["columns"]}
        for column in self.columns_before:
            if is_same and column["number"] not in numbers and column["name"] in self.values:
                self.columns[column["name"]] = self.values.pop(column["name"])

    def losses(self):
        """Each part that is gone: what, of which column, how much."""
        if self.rows:
            yield "rows", None, self.rows
        for kind, parts in (("column", self.columns), ("values", self.values)):
            for column, amount in parts.items():
                if amount:
                    yield kind, column, amount
