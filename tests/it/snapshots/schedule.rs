//! What starts one every day: read, and where that can be done run, by what it is for.

use std::path::Path;
use std::process::Command;

use rowsafe::exit::Exit;
use serde_json::Value;

use super::{json, listed, scene, snapshot};
use crate::harness::{Outcome, Rowsafe, Sandbox};

/// `rowsafe snapshot schedule WORDS` in a project whose name has everything that needs escaping.
fn awkward(sandbox: &Sandbox) -> std::path::PathBuf {
    let directory = sandbox.path().join("50% off, \"$shop\" & 'co'");
    std::fs::create_dir_all(&directory).unwrap();
    let settings = "database = \"postgresql://app@db.internal/shop\"\n";
    std::fs::write(directory.join("rowsafe.toml"), settings).unwrap();
    directory
}

fn files(outcome: &Outcome) -> Vec<(String, String)> {
    let report = json(outcome);
    let files = report["files"].as_array().unwrap();
    let text = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
    files.iter().map(|file| (text(file, "path"), text(file, "text"))).collect()
}

#[test]
fn systemd_takes_the_units() {
    let sandbox = Sandbox::new();
    let directory = awkward(&sandbox);
    let outcome = Rowsafe::new(&sandbox)
        .directory(&directory)
        .args([
            "snapshot", "schedule", "--daily", "--at", "04:30", "--for", "systemd", "--format",
            "json",
        ])
        .run()
        .exits(Exit::Ok);
    let files = files(&outcome);
    assert_eq!(files.len(), 2);
    assert!(files[1].1.contains("OnCalendar=*-*-* 04:30:00"), "{}", files[1].1);
    assert!(
        files[0].1.contains("snapshot prune --config") && files[0].1.contains("--keep-within 30d")
    );
    let systemd = Command::new("systemd-analyze").arg("--version").output();
    if !systemd.is_ok_and(|output| output.status.success()) {
        return;
    }
    let units = sandbox.path().join("units");
    std::fs::create_dir(&units).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no"]);
    for (path, text) in &files {
        let place = units.join(Path::new(path).file_name().unwrap());
        std::fs::write(&place, text).unwrap();
        command.arg(place);
    }
    let verified = command.output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_ours: Vec<&str> =
        said.lines().filter(|line| line.contains("rowsafe-snapshot")).collect();
    assert!(about_ours.is_empty(), "{said}");
    // It sees what is wrong with one.
    let (service, text) = (&units.join("rowsafe-snapshot-bad.service"), &files[0].1);
    std::fs::write(service, text.replace("ExecStart=", "ExecStart=nowhere/")).unwrap();
    let wrong = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(service).output();
    assert!(String::from_utf8_lossy(&wrong.unwrap().stderr).contains("rowsafe-snapshot-bad"));
    let calendar = Command::new("systemd-analyze").args(["calendar", "*-*-* 04:30:00"]).output();
    assert!(calendar.unwrap().status.success());
}

#[test]
fn launchd_s_property_list_is_one() {
    let sandbox = Sandbox::new();
    let directory = awkward(&sandbox);
    let outcome = Rowsafe::new(&sandbox)
        .directory(&directory)
        .args(["snapshot", "schedule", "--for", "launchd", "--keep-daily", "7", "--format", "json"])
        .run()
        .exits(Exit::Ok);
    let (path, text) = files(&outcome).remove(0);
    let plist = sandbox.path().join("agent.plist");
    std::fs::write(&plist, text).unwrap();
    let script =
        "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let read = Command::new("python3").args(["-c", script]).arg(&plist).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let value: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(
        path,
        format!(
            "{}/Library/LaunchAgents/{}.plist",
            sandbox.home().display(),
            value["Label"].as_str().unwrap()
        )
    );
    assert_eq!(value["WorkingDirectory"], directory.to_str().unwrap());
    assert_eq!(value["StartCalendarInterval"]["Hour"], 3);
    let words = value["ProgramArguments"].as_array().unwrap();
    assert_eq!((words.len(), &words[0]), (3, &Value::from("/bin/sh")));
    // The shell takes the words apart as they were meant.
    let line = words[2].as_str().unwrap().replace(env!("CARGO_BIN_EXE_rowsafe"), "printf '%s\\n'");
    let said = Command::new("sh").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let config = directory.join("rowsafe.toml");
    let expected = format!(
        "snapshot\ncreate\n--config\n{0}\nsnapshot\nprune\n--config\n{0}\n--keep-daily\n7\n",
        config.display()
    );
    assert_eq!(said, expected);
}

/// What cron makes of a line: `%` ends the command unless it is escaped.
fn cron_command(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let fields = regex::Regex::new(r"^15 4 \* \* \* (.*)$").unwrap();
    let command =
        fields.captures(lines[0]).unwrap_or_else(|| panic!("no line of a crontab: {text}"));
    let command = command[1].replace("\\%", "\u{0}");
    assert!(!command.contains('%'), "{text}");
    command.replace('\u{0}', "%")
}

#[test]
fn the_line_for_cron_takes_a_snapshot_and_prunes() {
    needs_postgres!();
    let scene = scene("schedule_cron");
    for _ in 0..2 {
        super::create(&scene, &[]);
    }
    scene.sandbox.write("rowsafe.toml", &format!("database = \"{}\"\n", scene.db.socket_url()));
    let outcome = Rowsafe::new(&scene.sandbox)
        .args(["snapshot", "schedule", "--for", "cron", "--at", "4:15", "--keep-last", "1"])
        .run()
        .exits(Exit::Ok);
    let command = cron_command(&outcome.stdout);
    // Standard output goes into a crontab: what is said stands beside it.
    let outcome = outcome.says("every day at 04:15");
    assert!(!outcome.stdout.contains("hint"), "{outcome}");
    // As cron does: hardly any environment, and somewhere else.
    let ran = Command::new("sh")
        .args(["-c", &command])
        .env_clear()
        .env("HOME", scene.sandbox.home())
        .current_dir("/")
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    assert!(ran.status.success(), "{command}\n{}", String::from_utf8_lossy(&said));
    let left = listed(&scene);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["rows"], 81);
}

#[test]
fn the_password_stays_out_and_may_stand_in_a_file() {
    needs_postgres!();
    let scene = scene("schedule_password");
    let outcome =
        snapshot(&scene, &["schedule", "--for", "cron", "--at", "4:15"]).run().exits(Exit::Ok);
    let outcome = outcome.says("write ROWSAFE_DATABASE=");
    assert!(!outcome.stdout.contains(&scene.db.password));
    let command = cron_command(&outcome.stdout);
    let run = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).env_clear().env("HOME", scene.sandbox.home());
        shell.output().unwrap().status.success()
    };
    assert!(!run(), "it knows no database");
    let name =
        outcome.stdout.split(".config/rowsafe/").nth(1).unwrap().split(".env").next().unwrap();
    let variables = scene.sandbox.home().join(format!(".config/rowsafe/{name}.env"));
    std::fs::create_dir_all(variables.parent().unwrap()).unwrap();
    std::fs::write(&variables, format!("ROWSAFE_DATABASE='{}'\n", scene.db.url())).unwrap();
    assert!(run());
    assert_eq!(listed(&scene).len(), 1);
    let typed = snapshot(&scene, &["schedule", "--database", &scene.db.url()]).run();
    let typed = typed.exits(Exit::NoAnswer).says("holds a password");
    assert!(!typed.stderr.contains(&scene.db.password));
}

#[test]
fn what_is_written_is_written_once_and_over_nobody_s_file() {
    let sandbox = Sandbox::new();
    let install = |more: &[&str]| {
        Rowsafe::new(&sandbox)
            .args(["snapshot", "schedule", "--for", "systemd", "--install", "--name", "shop"])
            .args(more)
            .run()
    };
    let outcome = install(&[]).exits(Exit::Ok).says("is written").says("systemctl --user");
    let _ = outcome.prints("OnCalendar=*-*-* 03:00:00").prints("snapshot create");
    let units = sandbox.home().join(".config/systemd/user");
    let names = crate::harness::scene::names(&units);
    assert_eq!(names, ["rowsafe-snapshot-shop.service", "rowsafe-snapshot-shop.timer"]);
    let _ = install(&[]).exits(Exit::Ok).says("is there already");
    let _ = install(&["--at", "05:00"]).exits(Exit::Ok).prints("OnCalendar=*-*-* 05:00:00");
    let timer = units.join("rowsafe-snapshot-shop.timer");
    std::fs::write(&timer, "[Timer]\nOnCalendar=weekly\n").unwrap();
    let _ = install(&[]).exits(Exit::NoAnswer).says("is not of rowsafe, and stays");
    assert_eq!(std::fs::read_to_string(&timer).unwrap(), "[Timer]\nOnCalendar=weekly\n");
    let cron = Rowsafe::new(&sandbox).args(["snapshot", "schedule", "--for", "cron", "--install"]);
    let _ = cron.run().exits(Exit::NoAnswer).says("crontab -");
    let when = Rowsafe::new(&sandbox).args(["snapshot", "schedule", "--at", "25:00"]).run();
    let _ = when.exits(Exit::NoAnswer);
}
