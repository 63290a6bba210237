//! Files that hold both ways, told apart by markers or by names.

use rowsafe::exit::Exit;

use super::{ADDS, DROPS, check, files, found, rules, scripts};

#[test]
fn only_the_part_for_the_direction_counts() {
    for (up, down) in [
        ("-- migrate:up", "-- migrate:down"),
        ("-- +goose Up\n-- +goose StatementBegin", "-- +goose StatementEnd\n-- +goose Down"),
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- Up Migration", "-- Down Migration"),
    ] {
        let safe_up = format!("{up}\n{ADDS}{down}\n{DROPS}");
        let safe_down = format!("{up}\n{DROPS}{down}\n{ADDS}");
        let sandbox = files(&[("up.safe.sql", &safe_up), ("down.safe.sql", &safe_down)]);
        let _ = check(&sandbox, &["up.safe.sql"]).exits(Exit::Ok);
        let _ = check(&sandbox, &["down.safe.sql"]).exits(Exit::Blocked);
        let _ = check(&sandbox, &["--downgrade", "up.safe.sql"]).exits(Exit::Blocked);
        let _ = check(&sandbox, &["--downgrade", "down.safe.sql"]).exits(Exit::Ok);
        // Places are those of the file.
        let line = safe_up.lines().position(|line| line.starts_with("DROP")).unwrap() + 1;
        let expected = format!("up.safe.sql:{line}:1 drop-table users");
        assert_eq!(found(&sandbox, &["--downgrade", "up.safe.sql"]), [expected]);
    }
}

#[test]
fn a_marker_alone_hides_nothing() {
    let sandbox = files(&[("a.sql", &format!("{ADDS}-- migrate:down\n{DROPS}"))]);
    assert_eq!(rules(&sandbox, &["a.sql"]), ["drop-table"]);
}

#[test]
fn files_for_the_way_down_are_known_by_their_names() {
    let sandbox = files(&[
        ("sqlx/1_a.up.sql", ADDS),
        ("sqlx/1_a.down.sql", DROPS),
        ("diesel/2024_a/up.sql", ADDS),
        ("diesel/2024_a/down.sql", DROPS),
        ("flyway/V1__a.sql", ADDS),
        ("flyway/U1__a.sql", DROPS),
        ("flyway/R__views.sql", ADDS),
        ("flyway/V1_1__b.sql", ADDS),
        ("prisma/2024_a/migration.sql", ADDS),
    ]);
    let up = [
        "diesel/2024_a/up.sql",
        "flyway/V1__a.sql",
        "flyway/V1_1__b.sql",
        "flyway/R__views.sql",
        "prisma/2024_a/migration.sql",
        "sqlx/1_a.up.sql",
    ];
    assert_eq!(scripts(&sandbox, &["."]), up);
    let down = ["sqlx/1_a.down.sql", "flyway/U1__a.sql", "diesel/2024_a/down.sql"];
    assert_eq!(scripts(&sandbox, &["--downgrade", "."]), down);
    // It says so when that leaves nothing.
    let _ = check(&sandbox, &["sqlx/1_a.down.sql"])
        .exits(Exit::Ok)
        .prints("nothing to check")
        .prints("--downgrade reads the way down");
}

#[test]
fn a_name_that_only_sounds_like_the_way_down_is_read() {
    let sandbox = files(&[("scale-down.sql", DROPS), ("a.down.sql", DROPS), ("x/down.sql", DROPS)]);
    assert_eq!(rules(&sandbox, &["."]), ["drop-table"; 3]);
}
