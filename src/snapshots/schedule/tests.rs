use super::{At, ScheduleRequest, Scheduler, schedule};
use crate::record::Record;

fn request(scheduler: Scheduler) -> ScheduleRequest {
    ScheduleRequest {
        scheduler,
        at: At { hour: 3, minute: 5 },
        name: "shop".to_owned(),
        program: "/opt/my tools/rowsafe".into(),
        directory: "/srv/50% off/$shop".into(),
        settings: vec!["--config".to_owned(), "/srv/50% off/$shop/rowsafe.toml".to_owned()],
        create_settings: vec!["--database".to_owned(), "postgresql:///shop".to_owned()],
        keep: vec!["--keep-within".to_owned(), "30d".to_owned()],
        path: "/usr/bin:/bin".to_owned(),
        home: "/home/a&b".into(),
        install: false,
        needs_variables: false,
    }
}

fn shown(scheduler: Scheduler) -> Vec<String> {
    let mut record = Record::default();
    schedule(&request(scheduler), &mut record).unwrap();
    record.files.into_iter().map(|file| file.text).collect()
}

#[test]
fn times_of_day_are_read_and_nothing_else() {
    assert_eq!("03:00".parse(), Ok(At { hour: 3, minute: 0 }));
    assert_eq!("23:59".parse(), Ok(At { hour: 23, minute: 59 }));
    for text in ["24:00", "3", "03:60", "3:+5", ":", "03:00:00", "", "aa:bb", "003:00"] {
        assert!(text.parse::<At>().is_err(), "{text}");
    }
}

#[test]
fn what_systemd_takes_for_its_own_is_escaped() {
    let [service, timer] = shown(Scheduler::Systemd).try_into().unwrap();
    let create = "ExecStart=\"/opt/my tools/rowsafe\" snapshot create --config \"/srv/50%% off/$$shop/rowsafe.toml\" --database postgresql:///shop\n";
    assert!(service.contains(create), "{service}");
    assert!(service.contains("snapshot prune"), "{service}");
    assert!(service.contains("\nWorkingDirectory=/srv/50%% off/$shop\n"), "{service}");
    assert!(timer.contains("\nOnCalendar=*-*-* 03:05:00\n"), "{timer}");
}

#[test]
fn cron_gets_one_line_whose_percent_signs_are_escaped() {
    let [text] = shown(Scheduler::Cron).try_into().unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert!(lines[0].starts_with("5 3 * * * export PATH="), "{text}");
    assert!(!lines[0].replace("\\%", "").contains('%'), "{text}");
}

#[test]
fn launchd_gets_xml() {
    let [text] = shown(Scheduler::Launchd).try_into().unwrap();
    assert!(text.contains("a&amp;b"), "{text}");
}

#[test]
fn a_path_with_a_line_end_is_refused() {
    let mut request = request(Scheduler::Systemd);
    request.directory = "/srv/a\nExecStart=/bin/evil".into();
    assert!(schedule(&request, &mut Record::default()).is_err());
}

#[test]
fn what_somebody_else_wrote_stays() {
    let home = tempfile::tempdir().unwrap();
    let mut request = request(Scheduler::Systemd);
    (request.install, request.home) = (true, home.path().to_owned());
    let install = |request: &ScheduleRequest| {
        let mut record = Record::default();
        schedule(request, &mut record)
            .map(|()| record.files.into_iter().map(|file| file.done).collect::<Vec<_>>())
    };
    assert_eq!(install(&request).unwrap(), ["written", "written"]);
    assert_eq!(install(&request).unwrap(), ["unchanged", "unchanged"]);
    let later = ScheduleRequest { at: At { hour: 4, minute: 0 }, ..request.clone() };
    assert_eq!(install(&later).unwrap(), ["unchanged", "written"]);
    let other = ScheduleRequest { directory: "/srv/other".into(), ..request.clone() };
    let refusal = install(&other).unwrap_err().to_string();
    assert!(refusal.contains("was written for another project"), "{refusal}");
    let timer = home.path().join(".config/systemd/user/rowsafe-snapshot-shop.timer");
    std::fs::remove_file(&timer).unwrap();
    crate::text::write_atomically(&timer, b"[Timer]\n").unwrap();
    let refusal = install(&later).unwrap_err().to_string();
    assert!(refusal.contains("is not of rowsafe"), "{refusal}");
    assert_eq!(std::fs::read(&timer).unwrap(), b"[Timer]\n");
}
