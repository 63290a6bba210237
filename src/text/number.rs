//! Numbers as people read them: grouped counts, sizes, durations, plurals.

use std::time::Duration;

/// `1204551` as `1,204,551`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`, `1,204 rows`; the plural adds an s.
pub fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// Bytes in powers of 1000, two digits where they matter: `412 MB`, `1.9 GB`.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
pub fn bytes(size: u64) -> String {
    let mut value = size as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            return if unit == "B" || value >= 9.95 {
                format!("{value:.0} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// `0.4 s`, `38 s`, `2 min 9 s`, `60 min`, `3 h 4 min`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=119 => format!("{whole} s"),
        120..=7199 if whole.is_multiple_of(60) => format!("{} min", whole / 60),
        120..=7199 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A span of time in its largest unit, which is how old something is: `42 s`, `5 min`, `3 h`,
/// `12 d`.
pub fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, grouped, plural, seconds, span};

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_204_551), "1,204,551");
        assert_eq!(plural(1, "row"), "1 row");
        assert_eq!(plural(12_000, "row"), "12,000 rows");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1_900_000_000), "1.9 GB");
        assert_eq!(bytes(412_000_000), "412 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(129)), "2 min 9 s");
        assert_eq!(seconds(Duration::from_hours(1)), "60 min");
        assert_eq!(span(Duration::from_secs(119)), "119 s");
        assert_eq!(span(Duration::from_mins(119)), "119 min");
        assert_eq!(span(Duration::from_hours(47)), "47 h");
        assert_eq!(span(Duration::from_hours(30 * 24)), "30 d");
    }
}
