//! Files that can't be read, names that are hostile, pipes that close, histories that are long.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rowsafe::exit::Exit;

use super::{ADDS, DROPS, check, files, found, rules, scripts};
use crate::harness::{Rowsafe, Sandbox};

#[test]
fn what_is_no_text_is_a_finding_and_not_silence() {
    let sandbox = files(&[("db/good.sql", ADDS)]);
    for (name, bytes, why) in [
        ("latin1.sql", &b"-- caf\xe9\nDROP TABLE users;"[..], "it is not UTF-8 (line 1)"),
        ("utf16.sql", b"\xff\xfeD\0R\0O\0P\0", "it is UTF-16"),
        ("utf16-bare.sql", b"D\0R\0O\0P\0", "it holds NUL bytes"),
        ("binary.py", b"\x7fELF\0\0", "it holds NUL bytes"),
    ] {
        let path = sandbox.path().join("db").join(name);
        std::fs::write(&path, bytes).unwrap();
        for named in [format!("db/{name}"), "db".to_owned()] {
            let outcome = check(&sandbox, &[&named]).exits(Exit::Blocked);
            let _ = outcome.prints("error[opaque]").prints(name).prints(why);
        }
        let report = check(&sandbox, &["--format", "json", &format!("db/{name}")]).json();
        assert_eq!(report["scripts"][0]["knowledge"], "opaque");
        std::fs::remove_file(path).unwrap();
    }
    let _ = check(&sandbox, &["db"]).exits(Exit::Ok);
}

#[test]
fn a_byte_order_mark_and_an_empty_file_are_no_mistakes() {
    let bom = format!("\u{feff}{DROPS}");
    let sandbox = files(&[("bom.sql", &bom), ("empty.sql", ""), ("comment.sql", "-- nothing\n")]);
    assert_eq!(found(&sandbox, &["bom.sql"]).len(), 1);
    let _ = check(&sandbox, &["empty.sql", "comment.sql"])
        .exits(Exit::Ok)
        .prints("ok: 2 files, 0 statements, nothing destructive\n");
}

#[test]
fn links_end_and_broken_ones_are_named() {
    let sandbox = files(&[("db/1.sql", ADDS), ("elsewhere/2.sql", DROPS)]);
    let link = |to: &str, from: &str| symlink(sandbox.path().join(to), sandbox.path().join(from));
    link("db", "db/loop").unwrap();
    assert_eq!(scripts(&sandbox, &["db"]), ["db/1.sql"]);
    link("elsewhere", "db/more").unwrap();
    assert_eq!(rules(&sandbox, &["db"]), ["drop-table"]);
    link("gone.sql", "db/3.sql").unwrap();
    let _ = check(&sandbox, &["db"]).prints("db/3.sql").prints("is not there");
}

#[test]
fn a_folder_that_may_not_be_read_is_named() {
    let sandbox = files(&[("db/1.sql", ADDS), ("db/secret/2.sql", DROPS)]);
    let secret = sandbox.path().join("db/secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    let is_root = std::fs::read_dir(&secret).is_ok();
    let expected = if is_root { "drop-table" } else { "opaque" };
    assert_eq!(rules(&sandbox, &["db"]), [expected]);
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_psql_includes_is_read_in_its_place() {
    let sandbox = files(&[
        ("main.sql", "CREATE TABLE scratch (x int);\n\\ir db/part.sql\nDROP TABLE users;\n"),
        ("db/part.sql", "DROP TABLE scratch;\n\\ir more/deep.sql\nDROP TABLE orders;\n"),
        ("db/more/deep.sql", "\n  TRUNCATE carts;\n"),
    ]);
    let expected = [
        "db/more/deep.sql:2:3 truncate carts",
        "db/part.sql:3:1 drop-table orders",
        "main.sql:3:1 drop-table users",
    ];
    assert_eq!(found(&sandbox, &["main.sql"]), expected);
    let _ = check(&sandbox, &["main.sql"]).prints("blocked: 3 errors in 3 files, 5 statements\n");
    // In the folder every file is also read for itself, and told once.
    assert_eq!(found(&sandbox, &["."]).len(), 4);
    assert_eq!(scripts(&sandbox, &["."]).len(), 3);
}

#[test]
fn what_can_not_be_followed_stays_a_finding() {
    let sandbox = files(&[
        ("gone.sql", "\\i gone/1.sql\n"),
        ("outside.sql", "\\ir ../outside.sql\n"),
        ("loop.sql", "SELECT 1;\n\\ir loop.sql\n"),
        ("variable.sql", "\\i :file\n"),
    ]);
    std::fs::write(sandbox.path().join("../outside.sql"), DROPS).unwrap();
    for name in ["gone.sql", "outside.sql", "loop.sql", "variable.sql"] {
        assert_eq!(rules(&sandbox, &[name]), ["client-command"], "{name}");
    }
}

#[test]
fn hostile_names_are_names() {
    let sandbox = Sandbox::new();
    let names =
        ["a\nb.sql", "a'b\".sql", "--help.sql", "%0A::error::.sql", "<script>.sql", "é ü.sql"];
    for name in names {
        sandbox.write(&format!("db/{name}"), DROPS);
    }
    let mut expected: Vec<String> = names.iter().map(|name| format!("db/{name}")).collect();
    expected.sort();
    let mut read = scripts(&sandbox, &["db"]);
    read.sort();
    assert_eq!(read, expected);
    for name in names {
        assert_eq!(rules(&sandbox, &[&format!("db/{name}")]), ["drop-table"]);
    }
    let bytes = std::ffi::OsStr::from_bytes(b"caf\xe9.sql");
    std::fs::write(sandbox.path().join("db").join(bytes), DROPS).unwrap();
    assert_eq!(rules(&sandbox, &["db"]), ["drop-table"; 7]);
}

#[test]
fn a_pipe_that_closes_is_no_failure() {
    let many = DROPS.repeat(3_000);
    let sandbox = files(&[("a.sql", &many)]);
    let program = env!("CARGO_BIN_EXE_rowsafe");
    for format in ["human", "json"] {
        let line =
            format!("{program} check --format {format} a.sql | head -n 1; echo ${{PIPESTATUS[0]}}");
        let outcome = Rowsafe::program(&sandbox, "bash").args(["-c", &line]).run();
        assert_eq!(outcome.stderr, "");
        assert!(outcome.stdout.ends_with("\n1\n"), "{}", outcome.stdout);
    }
}

#[test]
fn many_files_keep_their_order_and_each_its_findings() {
    let sandbox = Sandbox::new();
    for number in 0..300 {
        let text = if number % 3 == 0 { format!("DROP TABLE t{number};") } else { ADDS.to_owned() };
        sandbox.write(&format!("db/{number}_x.sql"), &text);
    }
    let expected: Vec<String> =
        (0..300).step_by(3).map(|n| format!("db/{n}_x.sql:1:1 drop-table t{n}")).collect();
    assert_eq!(found(&sandbox, &["db"]), expected);
}

#[test]
fn a_python_file_that_is_no_revision_is_read_too() {
    let sandbox = files(&[("scripts/clean.py", "import this\nprint('hello')\n")]);
    assert_eq!(scripts(&sandbox, &["scripts"]), ["scripts/clean.py"]);
    let report = check(&sandbox, &["--format", "json", "scripts"]).json();
    assert_eq!(report["scripts"][0]["revision"], serde_json::Value::Null);
}

#[test]
fn python_that_is_no_python_is_opaque() {
    let revision = "revision = 'a1'\ndown_revision = None\ndef upgrade(:\n    op.drop_table('t')\n";
    let sandbox = files(&[("a1.py", revision)]);
    assert!(rules(&sandbox, &["a1.py"]).contains(&"opaque".to_owned()));
    let _ = check(&sandbox, &["a1.py"]).exits(Exit::Blocked);
}
