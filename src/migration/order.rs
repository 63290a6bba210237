//! The order in which the files of a folder run: by number, not by letter, so that `10_x.sql` comes
//! after `9_x.sql`; by Flyway's rules where the names are Flyway's.

use std::cmp::Ordering;
use std::path::Path;

use super::part::flyway;

/// Compares two paths by the order in which they run; the names of the folders go first.
pub fn compare(one: &Path, other: &Path) -> Ordering {
    let folders = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let (one_folders, other_folders) = (folders(one), folders(other));
    let mut parts = one_folders.components();
    let mut others = other_folders.components();
    loop {
        let order = match (parts.next(), others.next()) {
            (None, None) => return compare_names(&name(one), &name(other)),
            // Files of a folder go before those of the folders in it.
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(part), Some(other)) => {
                natural(&part.as_os_str().to_string_lossy(), &other.as_os_str().to_string_lossy())
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// What a file is called among its like: its name, and the folder's where all files are called the
/// same (`20240101_init/migration.sql`, `2024-01-01-000000_init/up.sql`).
pub fn called(path: &Path) -> String {
    let name = name(path);
    if !matches!(name.as_str(), "migration.sql" | "up.sql" | "down.sql") {
        return name;
    }
    let folder = path.parent().and_then(Path::file_name);
    folder.map_or(name, |folder| folder.to_string_lossy().into_owned())
}

/// Compares two names of files as [`called`] gives them.
pub fn compare_names(one: &str, other: &str) -> Ordering {
    match (flyway(one), flyway(other)) {
        (Some(first), Some(second)) => {
            // Those that are repeated run after those that have a version.
            let is_repeated = |(kind, _): &(char, Vec<u64>)| *kind == 'R';
            is_repeated(&first)
                .cmp(&is_repeated(&second))
                .then_with(|| first.1.cmp(&second.1))
                .then_with(|| natural(one, other))
        }
        _ => natural(one, other),
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Runs of digits by their value, everything else by its characters.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut rest, mut others) = (one, other);
    loop {
        let (Some(first), Some(second)) = (rest.chars().next(), others.chars().next()) else {
            // `01` and `1` are the same number and still two names.
            return rest.len().cmp(&others.len()).then_with(|| one.cmp(other));
        };
        let order = if first.is_ascii_digit() && second.is_ascii_digit() {
            let (number, behind) = digits(rest);
            let (other_number, other_behind) = digits(others);
            (rest, others) = (behind, other_behind);
            number.len().cmp(&other_number.len()).then_with(|| number.cmp(other_number))
        } else {
            (rest, others) = (&rest[first.len_utf8()..], &others[second.len_utf8()..]);
            first.cmp(&second)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The number at the start, without leading zeros, and what stands behind it.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{called, compare};

    #[test]
    fn files_run_by_number() {
        let expected = [
            "9_x.sql",
            "010_x.sql",
            "10_y.sql",
            "11.sql",
            "a.sql",
            "db/V1__x.sql",
            "db/V1_1__x.sql",
            "db/V1.2__x.sql",
            "db/V2__x.sql",
            "db/V10__x.sql",
            "db/R__a.sql",
            "db/R__b.sql",
            "prisma/2_b/migration.sql",
            "prisma/10_a/migration.sql",
        ];
        let mut paths = expected;
        paths.reverse();
        paths.sort_by(|one, other| compare(Path::new(one), Path::new(other)));
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_file_is_called_by_what_tells_it_from_the_others() {
        assert_eq!(called(Path::new("m/20240101_init/migration.sql")), "20240101_init");
        assert_eq!(called(Path::new("m/001_x.sql")), "001_x.sql");
        assert_eq!(called(Path::new("up.sql")), "up.sql");
    }
}
