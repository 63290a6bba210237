//! PL/pgSQL cut into pieces: the SQL in it, what it builds and runs, what it computes.
//!
//! It is cut as PL/pgSQL itself does it (pl_gram.y): SQL goes up to its semicolon, a condition up to
//! its THEN or LOOP, both outside of parentheses.

use crate::effect::tokens::Tokens;

/// A piece of a body, in the order in which they stand.
pub(super) enum Piece<'a> {
    /// SQL that runs as it stands; PL/pgSQL's own INTO is taken out.
    Sql(String),
    /// EXECUTE of what this computes.
    Execute(Tokens<'a>),
    /// Something is computed.
    Expression(Tokens<'a>),
    /// Names, types and options, which compute nothing.
    Words(Tokens<'a>),
    /// A variable is declared.
    Declare(String),
    /// `variable := value`.
    Assign(String, Tokens<'a>),
    /// `FOREACH variable IN ARRAY values`.
    Each(String, Tokens<'a>),
    /// A variable gets a value that is known at run time only.
    Receive(String),
    /// A block, a branch or a loop starts; what is in it runs always, or perhaps not.
    Enter { always: bool },
    /// The branch ends and another one starts.
    Branch,
    /// The block, branch or loop ends.
    Leave,
    /// What follows may be left out (RETURN, EXIT).
    Jump,
    /// This could not be cut.
    Unknown(&'static str),
}

/// Cuts a body into its pieces.
pub(super) fn pieces(body: Tokens<'_>) -> Vec<Piece<'_>> {
    let mut cutter = Cutter { tokens: body, pieces: Vec::new() };
    while !cutter.tokens.is_done() {
        cutter.step();
    }
    cutter.pieces
}

struct Cutter<'a> {
    tokens: Tokens<'a>,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Cutter<'a> {
    fn step(&mut self) {
        if self.tokens.is_semicolon(0) {
            self.tokens.skip();
            return;
        }
        if self.tokens.text(0).starts_with("<<") {
            let label = self.tokens.until(|tokens| tokens.text(0).starts_with(">>"));
            self.pieces.push(Piece::Words(label));
            self.tokens.skip();
            return;
        }
        // `#option dump` and its kin: a word and its value.
        if self.tokens.text(0) == "#" {
            (0..3).for_each(|_| self.tokens.skip());
            return;
        }
        if self.assignment() {
            return;
        }
        let word = self.tokens.text(0).to_ascii_lowercase();
        match &*word {
            "declare" => self.declarations(),
            "begin" => self.keyword(Piece::Enter { always: true }),
            "loop" => self.keyword(Piece::Enter { always: false }),
            "exception" | "else" => self.keyword(Piece::Branch),
            "if" => self.condition("then", Piece::Enter { always: false }),
            "elsif" | "elseif" | "when" => self.condition("then", Piece::Branch),
            "while" => self.condition("loop", Piece::Enter { always: false }),
            "case" => {
                self.keyword(Piece::Enter { always: false });
                let value = self.tokens.until(|tokens| ends(tokens, "when"));
                self.pieces.push(Piece::Expression(value));
            }
            "for" => self.for_loop(),
            "foreach" => self.foreach(),
            "end" => {
                self.pieces.push(Piece::Leave);
                self.expression();
            }
            "null" | "raise" | "assert" | "close" => self.expression(),
            "exit" | "continue" => self.jump(),
            "return" => self.returns(),
            "perform" => {
                self.tokens.skip();
                let query = self.statement();
                self.pieces.push(Piece::Sql(format!("SELECT {}", query.rest())));
            }
            "execute" => {
                self.tokens.skip();
                self.execute();
            }
            "open" => self.open(),
            "get" => {
                let items = self.statement();
                self.receives(&items, |tokens| matches!(tokens.text(1), "=" | ":="));
                self.pieces.push(Piece::Expression(items));
            }
            "fetch" | "move" => {
                let statement = self.statement();
                let (_, targets) = without_into(&statement);
                self.pieces.push(Piece::Words(statement));
                self.targets(targets);
            }
            _ => self.sql(),
        }
    }

    fn keyword(&mut self, piece: Piece<'a>) {
        self.tokens.skip();
        self.pieces.push(piece);
    }

    /// Up to the semicolon, which is stepped over.
    fn statement(&mut self) -> Tokens<'a> {
        let statement = self.tokens.until(|tokens| tokens.is_semicolon(0));
        self.tokens.skip();
        statement
    }

    fn expression(&mut self) {
        let expression = self.statement();
        self.pieces.push(Piece::Expression(expression));
    }

    /// A condition is computed outside of the branch that it guards.
    fn condition(&mut self, end: &'static str, piece: Piece<'a>) {
        self.tokens.skip();
        let condition = self.tokens.until(|tokens| ends(tokens, end));
        self.tokens.skip();
        if matches!(piece, Piece::Branch) {
            self.pieces.push(piece);
            self.pieces.push(Piece::Expression(condition));
        } else {
            self.pieces.push(Piece::Expression(condition));
            self.pieces.push(piece);
        }
    }

    /// `name := value;`, also of a field or an element.
    fn assignment(&mut self) -> bool {
        let mut tokens = self.tokens.clone();
        let Some(name) = tokens.name().or_else(|| tokens.parameter()) else { return false };
        let is_whole = is_assigned(&tokens);
        let mut indexes = Vec::new();
        while !is_assigned(&tokens) {
            if tokens.eat_symbol(b'.') {
                if tokens.name().is_none() {
                    return false;
                }
            } else if tokens.eat_symbol(b'[') {
                let index = tokens.until(|tokens| ends_symbol(tokens, b']'));
                if !tokens.eat_symbol(b']') {
                    return false;
                }
                indexes.push(index);
            } else {
                return false;
            }
        }
        tokens.skip();
        self.tokens = tokens;
        self.pieces.extend(indexes.into_iter().map(Piece::Expression));
        let value = self.statement();
        if is_whole {
            self.pieces.push(Piece::Assign(name, value));
        } else {
            self.pieces.push(Piece::Receive(name));
            self.pieces.push(Piece::Expression(value));
        }
        true
    }

    fn declarations(&mut self) {
        self.tokens.skip();
        while !self.tokens.is_done() && !self.tokens.is_word(0, "begin") {
            if self.tokens.eat(&["declare"]) {
                continue;
            }
            let mut declared = self.statement();
            let mut name = declared.clone();
            name.skip();
            self.pieces.push(Piece::Words(declared.up_to_tokens(&name)));
            let Some(name) = declared.name() else {
                self.pieces.push(Piece::Words(declared));
                continue;
            };
            let mut cursor = declared.clone();
            if cursor.find(&["cursor"]) {
                let query = cursor.find(&["for", "is"]);
                self.pieces.push(Piece::Words(declared.up_to_tokens(&cursor)));
                cursor.skip();
                self.pieces.push(Piece::Receive(name));
                if query {
                    self.pieces.push(Piece::Sql(cursor.rest().to_owned()));
                }
                continue;
            }
            self.pieces.push(Piece::Declare(name.clone()));
            let is_value =
                |tokens: &Tokens<'_>| is_assigned(tokens) || tokens.is_word(0, "default");
            let kind = declared.until(is_value);
            self.pieces.push(Piece::Words(kind));
            declared.skip();
            if !declared.is_done() {
                self.pieces.push(Piece::Assign(name, declared));
            }
        }
    }

    /// Over the rows of a query, of something built, of a cursor, or over numbers.
    fn for_loop(&mut self) {
        self.tokens.skip();
        let mut targets = self.tokens.until(|tokens| ends(tokens, "in"));
        self.tokens.skip();
        self.pieces.push(Piece::Words(targets.clone()));
        while let Some(name) = targets.qualified() {
            self.pieces.push(Piece::Receive(name.schema.unwrap_or(name.name)));
            targets.eat_symbol(b',');
        }
        let mut source = self.tokens.until(|tokens| ends(tokens, "loop"));
        self.tokens.skip();
        let mut numbers = source.clone();
        numbers.until(|tokens| tokens.is_symbol(0, b'.') && tokens.is_symbol(1, b'.'));
        if source.eat(&["execute"]) {
            self.built(source);
        } else if numbers.is_done() && is_query(&source) {
            self.pieces.push(Piece::Sql(source.rest().to_owned()));
        } else {
            self.pieces.push(Piece::Expression(source));
        }
        self.pieces.push(Piece::Enter { always: false });
    }

    fn foreach(&mut self) {
        self.tokens.skip();
        let mut target = self.tokens.until(|tokens| ends(tokens, "in"));
        self.tokens.skip();
        self.pieces.push(Piece::Words(target.clone()));
        self.tokens.eat(&["array"]);
        let values = self.tokens.until(|tokens| ends(tokens, "loop"));
        self.tokens.skip();
        match target.name() {
            Some(name) if target.is_done() => self.pieces.push(Piece::Each(name, values)),
            Some(name) => {
                self.pieces.push(Piece::Receive(name));
                self.pieces.push(Piece::Expression(values));
            }
            None => self.pieces.push(Piece::Unknown("a FOREACH")),
        }
        self.pieces.push(Piece::Enter { always: false });
    }

    fn jump(&mut self) {
        self.expression();
        self.pieces.push(Piece::Jump);
    }

    fn returns(&mut self) {
        self.tokens.skip();
        if !self.tokens.eat(&["query"]) {
            let stays = self.tokens.eat(&["next"]);
            self.expression();
            if !stays {
                self.pieces.push(Piece::Jump);
            }
        } else if self.tokens.eat(&["execute"]) {
            self.execute();
        } else {
            let query = self.statement();
            self.pieces.push(Piece::Sql(query.rest().to_owned()));
        }
    }

    fn open(&mut self) {
        let mut statement = self.statement();
        if !statement.find(&["for"]) {
            self.pieces.push(Piece::Expression(statement));
            return;
        }
        statement.skip();
        if statement.eat(&["execute"]) {
            self.built(statement);
        } else {
            self.pieces.push(Piece::Sql(statement.rest().to_owned()));
        }
    }

    fn execute(&mut self) {
        let statement = self.statement();
        self.built(statement);
    }

    /// `text [INTO targets] [USING values]`.
    fn built(&mut self, mut statement: Tokens<'a>) {
        let (_, targets) = without_into(&statement);
        self.targets(targets);
        let text = statement.until(|tokens| tokens.is_any(0, &["into", "using"]));
        self.pieces.push(Piece::Execute(text));
        self.pieces.push(Piece::Expression(statement));
    }

    fn sql(&mut self) {
        let statement = self.statement();
        if statement.is_word(0, "call") {
            // A procedure may write into the variables that it is given.
            self.receives(&statement, |_| true);
        }
        let (text, targets) = without_into(&statement);
        self.targets(targets);
        self.pieces.push(Piece::Sql(text));
    }

    /// What stands behind INTO, such as `a, b[1], c.d`.
    fn targets(&mut self, targets: Option<Tokens<'a>>) {
        let Some(mut targets) = targets else { return };
        self.pieces.push(Piece::Words(targets.clone()));
        targets.eat(&["strict"]);
        for mut target in targets.split_at_commas() {
            self.pieces.extend(target.name().map(Piece::Receive));
        }
    }

    /// The words that fit are variables that get a value.
    fn receives(&mut self, statement: &Tokens<'a>, fits: impl Fn(&Tokens<'a>) -> bool) {
        let mut tokens = statement.clone();
        while !tokens.is_done() {
            if fits(&tokens)
                && let Some(name) = tokens.clone().name()
            {
                self.pieces.push(Piece::Receive(name));
            }
            tokens.skip();
        }
    }
}

/// A word that ends a part, unless a semicolon shows that it is missing.
fn ends(tokens: &Tokens<'_>, word: &str) -> bool {
    tokens.is_word(0, word) || tokens.is_semicolon(0)
}

fn ends_symbol(tokens: &Tokens<'_>, symbol: u8) -> bool {
    tokens.is_symbol(0, symbol) || tokens.is_semicolon(0)
}

fn is_assigned(tokens: &Tokens<'_>) -> bool {
    matches!(tokens.text(0), ":=" | "=")
}

fn is_query(tokens: &Tokens<'_>) -> bool {
    const QUERIES: [&str; 8] =
        ["select", "with", "values", "table", "insert", "update", "delete", "merge"];
    tokens.is_any(0, &QUERIES) || tokens.is_symbol(0, b'(')
}

/// The SQL without `INTO [STRICT] targets`, and the targets.
fn without_into<'a>(statement: &Tokens<'a>) -> (String, Option<Tokens<'a>>) {
    const DEFINES: [&str; 6] = ["create", "grant", "comment", "import", "do", "explain"];
    let whole = || (statement.rest().to_owned(), None);
    let mut tokens = statement.clone();
    if tokens.is_any(0, &DEFINES) {
        return whole();
    }
    loop {
        let is_own = tokens.is_any(0, &["insert", "merge"]) && tokens.is_word(1, "into");
        if tokens.is_done() {
            return whole();
        } else if is_own {
            tokens.skip();
            tokens.skip();
        } else if tokens.is_word(0, "into") {
            break;
        } else if !tokens.eat_group() {
            tokens.skip();
        }
    }
    let before = statement.up_to(&tokens);
    tokens.skip();
    let start = tokens.clone();
    tokens.eat(&["strict"]);
    while tokens.qualified().is_some() {
        while tokens.eat_symbol(b'[') {
            tokens.until(|tokens| tokens.is_symbol(0, b']'));
            tokens.skip();
        }
        if !tokens.eat_symbol(b',') {
            break;
        }
    }
    (format!("{before} {}", tokens.rest()), Some(start.up_to_tokens(&tokens)))
}
