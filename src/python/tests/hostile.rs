use super::{NoModules, body, module, read_alembic, read_any};

#[test]
fn depth_is_refused_before_it_hurts() {
    let deep = |open: &str, close: &str, n: usize| {
        format!("def upgrade():\n    x = {}1{}\n", open.repeat(n), close.repeat(n))
    };
    for source in [
        deep("(", ")", 10_000),
        deep("[", "]", 10_000),
        deep("{1: ", "}", 10_000),
        deep("-", "", 100_000),
        deep("not ", "", 100_000),
        deep("lambda: ", "", 100_000),
        deep("f(", ")", 10_000),
        deep("1 if x else ", "", 100_000),
        deep("f'{", "}'", 10_000),
        deep("f\"{[", "]}\"", 1),
        format!("x = f'{{{}}}'\n", "[".repeat(10_000)),
        format!("x = a{}\n", ".b".repeat(100_000)),
        format!("x = a{}\n", "()".repeat(100_000)),
        format!("x = a{}\n", "[0]".repeat(100_000)),
        format!("x = 1{}\n", " + 1".repeat(100_000)),
        (0..2_000).map(|n| format!("{}if x:\n", " ".repeat(n))).collect::<Vec<_>>().concat(),
        "(".repeat(100_000),
        "'".repeat(99_999),
        "\"\"\"".to_owned(),
        "\\".to_owned(),
        "\u{feff}é = 'ß'\n\0".to_owned(),
    ] {
        let all = read_any(&source, &NoModules);
        let one = read_alembic(&source, "upgrade", &NoModules);
        assert!(all.statements.len() <= 1 && one.statements.len() <= 1);
    }
}

#[test]
fn work_is_bounded() {
    let doubling =
        "x = 'aaaaaaaaaaaaaaaa'\n".to_owned() + &"x = x + x\n".repeat(200) + "op.execute(x)";
    assert_eq!(body(&doubling).len(), 1);
    let nested = "for a in range(900):\n for b in range(900):\n  for c in range(900):\n   op.drop_table('t')";
    assert_eq!(body(nested).iter().filter(|line| line.ends_with("DROP TABLE t")).count(), 1);
    let recursive =
        module("def go(n):\n    op.drop_table(n)\n    go(n + 'x')\ndef upgrade():\n    go('a')");
    assert!(recursive.iter().any(|line| line.contains("go too deep")), "{recursive:?}");
    let many = (0..300).map(|n| format!("if x{n}:\n    y{n} = {n}\n")).collect::<Vec<_>>().concat();
    assert!(body(&many).len() <= 1);
    let exponential = (0..60)
        .map(|n| format!("def f{n}():\n    f{}()\n    f{}()\n    op.f('x')\n", n + 1, n + 1))
        .collect::<Vec<_>>()
        .concat();
    let lines = module(&format!(
        "{exponential}def f60():\n    op.drop_table('a')\ndef upgrade():\n    f0()"
    ));
    assert!(lines.iter().any(|line| line.contains('?')), "{lines:?}");
}
