use super::lines;
use crate::python::{NoModules, read_alembic};

#[test]
fn a_migration_with_a_little_of_everything() {
    let source = include_str!("../../../fixtures/python/split_users.py");
    let expected = include_str!("../../../fixtures/python/split_users.txt");
    let found = lines(&read_alembic(source, "upgrade", &NoModules));
    assert_eq!(found, expected.lines().collect::<Vec<_>>());
    let down = lines(&read_alembic(source, "downgrade", &NoModules));
    assert_eq!(down, ["76: DROP TABLE profiles"]);
}
