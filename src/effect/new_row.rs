//! Which columns of the row at hand the function of a trigger sets: `NEW.updated_at := now()`.

use super::body::routine_code;
use super::tokens::Tokens;

/// Names of the columns, from the function's definition; `None` where its text does not tell,
/// because it is another language or the row is set as a whole.
pub fn sets_of_new(definition: &str) -> Option<Vec<String>> {
    let code = routine_code(definition)?;
    let mut tokens = Tokens::new(&code);
    let mut columns: Vec<String> = Vec::new();
    let mut receives = false;
    while !tokens.is_done() {
        if !tokens.is_word(0, "new") {
            let is_list = receives && (tokens.is_symbol(0, b',') || tokens.is_word(0, "strict"));
            let is_name = receives && tokens.is_symbol(1, b',');
            receives = tokens.is_word(0, "into") || is_list || is_name;
            tokens.skip();
            continue;
        }
        tokens.skip();
        if tokens.is_symbol(0, b'.') {
            tokens.skip();
            let column = tokens.name()?;
            if (receives || is_assigned(&tokens)) && !columns.contains(&column) {
                columns.push(column);
            }
        } else if receives || is_assigned(&tokens) {
            return None;
        }
    }
    Some(columns)
}

/// Whether a value follows; a comparison looks the same, and counts as one.
fn is_assigned(tokens: &Tokens<'_>) -> bool {
    matches!(tokens.text(0), ":=" | "=" | ":" | "[")
}

#[cfg(test)]
mod tests {
    use super::sets_of_new;

    fn check(body: &str) -> Option<String> {
        let definition =
            format!("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$ {body} $f$");
        sets_of_new(&definition).map(|columns| columns.join(" "))
    }

    #[test]
    fn what_is_set_of_the_row_is_named() {
        for (body, columns) in [
            ("BEGIN NEW.updated_at := now(); RETURN NEW; END", Some("updated_at")),
            ("BEGIN new.\"A\" = 1; NEW.b := NEW.c; RETURN NEW; END", Some("A b")),
            ("BEGIN SELECT a, b INTO STRICT NEW.x, NEW.y FROM t; RETURN NEW; END", Some("x y")),
            ("BEGIN INSERT INTO log VALUES (NEW.id, NEW.name); RETURN NULL; END", Some("")),
            ("BEGIN NEW := OLD; RETURN NEW; END", None),
            ("BEGIN SELECT * INTO NEW FROM t; RETURN NEW; END", None),
        ] {
            assert_eq!(check(body).as_deref(), columns, "{body}");
        }
        assert_eq!(sets_of_new("CREATE FUNCTION f() LANGUAGE c AS 'moddatetime'"), None);
    }
}
