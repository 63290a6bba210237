use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{AT_WORK, Decision, Policy, Shelved, State, day, decide, month, week};

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn whole(taken: &str) -> Shelved {
    Shelved {
        database: "shop".to_owned(),
        is_whole: true,
        taken: at(taken),
        state: State::Good,
        held: None,
        is_released: false,
    }
}

fn stay(policy: &Policy, shelf: &[Shelved]) -> Vec<usize> {
    let now = at("2026-11-21T20:00:00Z");
    let decisions = decide(policy, shelf, now);
    decisions.iter().enumerate().filter(|(_, made)| made.stays).map(|(index, _)| index).collect()
}

#[test]
fn each_rule_keeps_the_newest_of_its_periods() {
    let shelf = [
        whole("2026-11-21T15:00:00Z"), // Saturday
        whole("2026-11-21T03:00:00Z"),
        whole("2026-11-20T03:00:00Z"),
        whole("2026-11-16T03:00:00Z"), // Monday of the same week
        whole("2026-11-15T23:59:59Z"), // Sunday of the week before
        whole("2026-10-31T03:00:00Z"),
        whole("2025-11-20T03:00:00Z"),
    ];
    let none = Policy::default();
    assert_eq!(stay(&Policy { last: Some(2), ..none }, &shelf), [0, 1]);
    assert_eq!(stay(&Policy { daily: Some(3), ..none }, &shelf), [0, 2, 3]);
    assert_eq!(stay(&Policy { weekly: Some(2), ..none }, &shelf), [0, 4]);
    assert_eq!(stay(&Policy { monthly: Some(3), ..none }, &shelf), [0, 5, 6]);
    let within = Some(Duration::from_hours(5 * 24 + 12));
    assert_eq!(stay(&Policy { within, ..none }, &shelf), [0, 1, 2, 3]);
    let both = Policy { last: Some(2), monthly: Some(2), ..none };
    assert_eq!(stay(&both, &shelf), [0, 1, 5]);
    let why = &decide(&Policy { last: Some(1), daily: Some(1), ..none }, &shelf, 0)[0].why;
    assert_eq!(why, "last, daily");
}

#[test]
fn whole_ones_and_databases_are_judged_apart() {
    let narrow = Shelved { is_whole: false, ..whole("2026-11-21T15:00:00Z") };
    let other = Shelved { database: "other".to_owned(), ..whole("2020-01-01T00:00:00Z") };
    let shelf = [narrow, whole("2026-11-21T03:00:00Z"), whole("2026-11-20T03:00:00Z"), other];
    assert_eq!(stay(&Policy { last: Some(1), ..Policy::default() }, &shelf), [0, 1, 3]);
}

#[test]
fn where_no_new_ones_are_made_the_old_ones_stay() {
    let shelf = [whole("2024-01-02T00:00:00Z"), whole("2024-01-01T00:00:00Z")];
    let within = Some(Duration::from_hours(48));
    assert_eq!(stay(&Policy { within, ..Policy::default() }, &shelf), [0, 1]);
}

#[test]
fn what_a_loss_needs_stays_until_it_is_released() {
    let held = Shelved {
        held: Some("run k3m9x2pd lost rows".to_owned()),
        is_whole: false,
        ..whole("2026-01-01T00:00:00Z")
    };
    let newer = Shelved { is_whole: false, ..whole("2026-11-21T15:00:00Z") };
    let policy = Policy { last: Some(1), ..Policy::default() };
    assert_eq!(stay(&policy, &[newer.clone(), held.clone()]), [0, 1]);
    assert_eq!(stay(&policy, &[newer, Shelved { is_released: true, ..held }]), [0]);
}

#[test]
fn damaged_ones_keep_nobody_out_and_stay_until_released() {
    let damaged = Shelved { state: State::Damaged, ..whole("2026-11-21T15:00:00Z") };
    let shelf = [damaged.clone(), whole("2026-11-20T03:00:00Z"), whole("2026-11-19T03:00:00Z")];
    let policy = Policy { last: Some(1), ..Policy::default() };
    assert_eq!(stay(&policy, &shelf), [0, 1]);
    let released = Shelved { is_released: true, ..damaged };
    assert_eq!(stay(&policy, &[released, shelf[1].clone()]), [1]);
}

#[test]
fn half_of_a_snapshot_goes_after_a_day() {
    let half = |taken| Shelved { state: State::HalfWritten, ..whole(taken) };
    let shelf = [half("2026-11-20T20:00:01Z"), half("2026-11-20T20:00:00Z")];
    let policy = Policy { last: Some(9), ..Policy::default() };
    assert_eq!(stay(&policy, &shelf), [0]);
    // A clock that went backwards is no reason to remove what is being written.
    assert_eq!(stay(&policy, &[half("2027-01-01T00:00:00Z")]), [0]);
}

#[test]
fn a_policy_is_said_as_it_is_written() {
    let policy =
        Policy { daily: Some(7), within: Some(Duration::from_hours(30 * 24)), ..Policy::default() };
    assert_eq!(policy.said(), "keep-daily 7, keep-within 30 d");
    assert!(Policy::default().is_empty() && !policy.is_empty());
}

/// A shelf with two databases over some years; the moments often fall together.
fn shelves() -> impl Strategy<Value = Vec<Shelved>> {
    let state = prop_oneof![
        6 => Just(State::Good),
        1 => Just(State::Damaged),
        1 => Just(State::HalfWritten)
    ];
    let one = (0..2u8, any::<bool>(), 0..4000i64, state, 0..8u8, 0..8u8).prop_map(
        |(database, is_whole, hours, state, held, released)| Shelved {
            database: database.to_string(),
            is_whole,
            taken: at("2026-11-21T20:00:00Z") - hours * 7 * 3600,
            state,
            held: (held == 0).then(|| "held".to_owned()),
            is_released: released == 0,
        },
    );
    proptest::collection::vec(one, 0..40)
}

fn policies() -> impl Strategy<Value = Policy> {
    let count = || proptest::option::of(0..9u32);
    let within = proptest::option::of((0..900u64).prop_map(Duration::from_hours));
    (count(), count(), count(), count(), within).prop_map(
        |(last, daily, weekly, monthly, within)| Policy { last, daily, weekly, monthly, within },
    )
}

fn now() -> i64 {
    at("2026-11-21T20:00:00Z")
}

fn staying(shelf: &[Shelved], decisions: &[Decision]) -> Vec<Shelved> {
    let staying = shelf.iter().zip(decisions).filter(|(_, made)| made.stays);
    staying.map(|(shelved, _)| shelved.clone()).collect()
}

proptest! {
    #[test]
    fn a_database_keeps_its_newest_good_whole_one(policy in policies(), shelf in shelves()) {
        let left = staying(&shelf, &decide(&policy, &shelf, now()));
        for database in ["0", "1"] {
            let newest = |shelf: &[Shelved]| {
                let good = shelf.iter().filter(|shelved| {
                    shelved.database == database
                        && shelved.is_whole
                        && shelved.state == State::Good
                });
                good.map(|shelved| shelved.taken).max()
            };
            prop_assert_eq!(newest(&shelf), newest(&left));
        }
    }

    #[test]
    fn what_is_held_and_what_may_be_at_work_stays(policy in policies(), shelf in shelves()) {
        for (shelved, made) in shelf.iter().zip(decide(&policy, &shelf, now())) {
            let is_held = shelved.held.is_some() && !shelved.is_released;
            let is_young = now() - shelved.taken < AT_WORK && shelved.state == State::HalfWritten;
            prop_assert!(made.stays || !(is_held || is_young), "{shelved:?}");
            prop_assert!(!made.why.is_empty());
        }
    }

    #[test]
    fn pruning_again_removes_nothing_more(policy in policies(), shelf in shelves()) {
        let left = staying(&shelf, &decide(&policy, &shelf, now()));
        let again = staying(&left, &decide(&policy, &left, now()));
        prop_assert_eq!(left, again);
    }

    #[test]
    fn one_more_rule_never_removes_more(policy in policies(), shelf in shelves()) {
        let without = Policy { daily: None, ..policy };
        let with = decide(&policy, &shelf, now());
        for (more, less) in with.iter().zip(decide(&without, &shelf, now())) {
            prop_assert!(more.stays || !less.stays);
        }
    }

    #[test]
    fn so_many_days_are_kept_and_no_more(shelf in shelves(), count in 0..9u32) {
        let whole: Vec<Shelved> = shelf
            .into_iter()
            .map(|shelved| Shelved {
                database: String::new(),
                is_whole: false,
                state: State::Good,
                held: None,
                ..shelved
            })
            .collect();
        let policy = Policy { daily: Some(count), ..Policy::default() };
        let left = staying(&whole, &decide(&policy, &whole, now()));
        let days: BTreeSet<i64> = whole.iter().map(|shelved| day(shelved.taken)).collect();
        prop_assert_eq!(left.len(), days.len().min(count as usize));
    }

    #[test]
    fn periods_are_those_of_the_calendar(first in -4_000_000_000..8_000_000_000i64, apart in 0..9_000_000i64) {
        let date = |moment| -> Date {
            Timestamp::from_second(moment).unwrap().to_zoned(TimeZone::UTC).date()
        };
        let second = first + apart;
        let (one, other) = (date(first), date(second));
        prop_assert_eq!(day(first) == day(second), one == other);
        let same_week = (one.iso_week_date().year(), one.iso_week_date().week())
            == (other.iso_week_date().year(), other.iso_week_date().week());
        prop_assert_eq!(week(first) == week(second), same_week);
        let same_month = (one.year(), one.month()) == (other.year(), other.month());
        prop_assert_eq!(month(first) == month(second), same_month);
    }
}
