//! Ctrl-C and `kill`: before the command nothing has happened, during it the command gets the
//! signal once and the rows are compared all the same. And the terminal is the command's own.

use std::time::Duration;

use rowsafe::exit::Exit;
use rustix::process::Signal;

use crate::harness::Scene;
use crate::harness::rowsafe::Running;
use crate::harness::scene::{HARMLESS, processes_with, wait_for};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY);
     INSERT INTO users SELECT generate_series(1, 1000)";

/// Writes down signals; ends soon after the first one, or when told if it is `stubborn`.
const LISTENER: &str = r#"
import os, signal, sys, time
log = open("signals", "a", buffering=1)
end = time.time() + 60
def note(number, frame):
    global end
    log.write(signal.Signals(number).name + "\n")
    if sys.argv[1] == "polite":
        end = min(end, time.time() + 0.3)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN if sys.argv[1] == "deaf" else note)
open("ready", "w").close()
while time.time() < end and not os.path.exists("stop"):
    time.sleep(0.01)
sys.exit(4)
"#;

/// Starts a listener as the command, and waits until it listens.
fn listening(scene: &Scene, how: &str, in_terminal: bool) -> Running {
    scene.sandbox.write("listener.py", LISTENER);
    let mut command = scene.run(&format!("exec python3 listener.py {how}"));
    if in_terminal {
        command = command.in_terminal();
    }
    let mut running = command.spawn();
    running.wait_for("the listener", || scene.flag("ready").exists());
    running
}

fn signals(scene: &Scene) -> Vec<String> {
    let text = std::fs::read_to_string(scene.flag("signals")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn control_c_while_dumping_leaves_nothing() {
    needs_postgres!();
    let scene = Scene::new("interrupt_dump", USERS);
    let bin = scene.in_front_of("pg_dump", "touch dumping; exec sleep 41.7131");
    let mut running = scene.run(HARMLESS).path_first(bin).in_terminal().spawn();
    running.wait_for("the dump", || scene.flag("dumping").exists());
    running.type_in("\x03");
    let _ = running.finish().exits(Exit::Interrupted).prints("before anything was run");
    scene.assert_nothing_happened();
    wait_for("the end of the dump", || processes_with("sleep 41.7131").is_empty());
    assert_eq!(scene.steps().last().unwrap(), "finished");
}

#[test]
fn control_c_while_reading_back_leaves_nothing() {
    needs_postgres!();
    let scene = Scene::new("interrupt_verify", USERS);
    let bin = scene.in_front_of("pg_restore", "touch reading; exec sleep 41.7132");
    let mut running = scene.run(HARMLESS).path_first(bin).spawn();
    running.wait_for("the reading", || scene.flag("reading").exists());
    running.signal(Signal::INT);
    let _ = running.finish().exits(Exit::Interrupted);
    scene.assert_nothing_happened();
    wait_for("the end of the reading", || processes_with("sleep 41.7132").is_empty());
}

#[test]
fn control_c_while_counting_leaves_nothing() {
    needs_postgres!();
    let scene = Scene::new("interrupt_count", USERS);
    let holder = scene.db.session();
    holder.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
    for (signal, exit) in [(Signal::INT, Exit::Interrupted), (Signal::TERM, Exit::Terminated)] {
        let running = scene.run(HARMLESS).spawn();
        scene.wait_until(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'interrupt_count'
                AND application_name = 'rowsafe inventory' AND wait_event_type = 'Lock')",
        );
        running.signal(signal);
        let _ = running.finish().exits(exit).says("before anything was run");
        scene.assert_nothing_happened();
        holder.execute("COMMIT; BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
        scene.wait_until(
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'interrupt_count'
                AND application_name LIKE 'rowsafe%')",
        );
    }
}

#[test]
fn control_c_reaches_the_command_once_and_the_rows_are_compared() {
    needs_postgres!();
    let scene = Scene::new("interrupt_once", USERS);
    let mut running = listening(&scene, "polite", true);
    running.type_in("\x03");
    let outcome = running.finish().exits(Exit::Interrupted);
    let outcome = outcome.prints("press Ctrl-C again to stop waiting");
    let _ = outcome.prints("nothing lost").prints("is kept");
    assert_eq!(signals(&scene), ["SIGINT"]);
    assert!(scene.steps().contains(&"compared".to_owned()));
    assert_eq!(scene.kept_rows("users"), 1000);
}

#[test]
fn a_signal_to_rowsafe_is_passed_on_once() {
    needs_postgres!();
    for (signal, name, exit) in
        [(Signal::TERM, "SIGTERM", Exit::Terminated), (Signal::INT, "SIGINT", Exit::Interrupted)]
    {
        let scene = Scene::new(&format!("interrupt_{}", name.to_lowercase()), USERS);
        let running = listening(&scene, "polite", false);
        running.signal(signal);
        let _ = running.finish().exits(exit).says("nothing lost");
        assert_eq!(signals(&scene), [name]);
    }
    let scene = Scene::new("interrupt_group", USERS);
    let running = listening(&scene, "polite", false);
    running.signal_group(Signal::INT);
    let _ = running.finish().exits(Exit::Interrupted);
    assert_eq!(signals(&scene), ["SIGINT"], "from a supervisor that signals the group");
}

#[test]
fn a_second_control_c_stops_waiting() {
    needs_postgres!();
    let scene = Scene::new("interrupt_twice", USERS);
    let mut running = listening(&scene, "stubborn", true);
    running.type_in("\x03");
    running.wait_for_stdout("press Ctrl-C again to stop waiting");
    // Two at once are one request: a person is slower than that.
    std::thread::sleep(Duration::from_millis(150));
    running.type_in("\x03");
    let outcome = running.finish().exits(Exit::Interrupted);
    let _ = outcome.prints("the command may still be running");
    assert!(scene.steps().contains(&"compared".to_owned()));
    scene.raise("stop");
}

#[test]
fn a_command_that_ignores_signals_is_waited_for() {
    needs_postgres!();
    let scene = Scene::new("interrupt_deaf", USERS);
    let mut running = listening(&scene, "deaf", false);
    running.signal(Signal::INT);
    running.wait_for_stderr("press Ctrl-C again");
    scene.raise("stop");
    let outcome = running.finish().exits(Exit::Interrupted);
    let _ = outcome.says("exit code 4").says("nothing lost");
}

#[test]
fn a_loss_is_a_loss_however_the_command_ended() {
    needs_postgres!();
    let scene = Scene::new("interrupt_loss", USERS);
    scene.sandbox.write("listener.py", LISTENER);
    let wipe = "psql -qX \"$DB\" -c 'TRUNCATE users'";
    let script = format!("{wipe}; exec python3 listener.py polite");
    let mut running = scene.run(&script).spawn();
    running.wait_for("the listener", || scene.flag("ready").exists());
    running.signal(Signal::INT);
    let _ = running.finish().exits(Exit::Loss).says("1,000 rows of users").says("rowsafe restore");

    let scene = Scene::new("interrupt_crash", USERS);
    let outcome = scene.run(&format!("{wipe}; kill -SEGV $$")).run();
    let _ = outcome.exits(Exit::Loss).says("1,000 rows of users");
    let outcome = scene.run("kill -KILL $$").run().exits(Exit::CommandFailed);
    let _ = outcome.says("was ended by SIGKILL");
}

#[test]
fn the_terminal_is_the_command_s_own() {
    needs_postgres!();
    let scene = Scene::new("interrupt_terminal", USERS);
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size && printf 'name? ' && read name \
         && printf '\\033[32mhello %s\\033[0m\\n' \"$name\" && psql -qX \"$DB\" -c 'SELECT 1' >/dev/null";
    let mut running = scene.run(script).in_terminal().spawn();
    running.wait_for_stdout("24 80");
    running.wait_for_stdout("name? ");
    running.type_in("Grace\n");
    let _ = running.finish().exits(Exit::Ok).prints("\x1b[32mhello Grace\x1b[0m");
}

#[test]
fn standard_output_is_the_command_s_alone() {
    needs_postgres!();
    let scene = Scene::new("interrupt_stdout", USERS);
    let script = "cat; echo out; echo err >&2; psql -qX \"$DB\" -c 'SELECT 1' >/dev/null";
    let outcome = scene.run(script).stdin("in\n").run().exits(Exit::Ok).says("err\n");
    assert_eq!(outcome.stdout, "in\nout\n");
}

#[test]
fn a_person_may_agree_or_press_control_c() {
    needs_postgres!();
    let scene = Scene::new("interrupt_prompt", USERS);
    let unagreed = || {
        let command = scene.rowsafe("run").args(["--", "sh", "-c", HARMLESS]).in_terminal();
        let mut running = command.spawn();
        running.wait_for_stdout("to go on:");
        running
    };
    let mut running = unagreed();
    running.type_in("\x03");
    let _ = running.finish().exits(Exit::Interrupted);
    scene.assert_nothing_happened();
    let mut running = unagreed();
    running.type_in("another_name\n");
    let _ = running.finish().exits(Exit::Blocked);
    scene.assert_nothing_happened();
    let mut running = unagreed();
    running.type_in("interrupt_prompt\n");
    let _ = running.finish().exits(Exit::Ok);
    assert!(scene.flag("ran").exists());
}

#[test]
fn a_command_that_is_not_there_is_told_before_any_work() {
    needs_postgres!();
    let scene = Scene::new("interrupt_missing", USERS);
    scene.sandbox.write("plain.sh", "true");
    scene.sandbox.write("moved.sh", "");
    let moved = scene.sandbox.write_program("moved.sh", "");
    std::fs::write(&moved, "#!/no/such/python\n").unwrap();
    for (program, reason) in [
        ("no-such-program", "`no-such-program` was not found in PATH"),
        ("./no-such-file", "there is no program `./no-such-file`"),
        ("./plain.sh", "is not executable"),
        ("./moved.sh", "needs `/no/such/python`, which is not there"),
    ] {
        let command = scene.rowsafe("run").args(["--allow", "opaque *: a test", "--", program]);
        let _ = command.run().exits(Exit::NoAnswer).says(reason).says("hint: ");
        scene.assert_nothing_happened();
        assert!(!scene.store().exists(), "a snapshot was begun for {program}");
    }
}
