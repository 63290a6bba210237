//! An object store that does not do what it was asked: said before the command runs, with a way
//! out, and without the credentials.

use rowsafe::exit::Exit;

use crate::harness::s3::SECRET;
use crate::harness::scene::HARMLESS;
use crate::harness::{Outcome, S3, Scene};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY);
     INSERT INTO users SELECT generate_series(1, 100)";

fn run(scene: &Scene, url: &str, variables: &[(String, String)]) -> Outcome {
    let run = scene.run_with(&["--store", url], HARMLESS);
    let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
    let outcome = run.run();
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(!said.contains(SECRET), "a secret is printed\n{outcome}");
    outcome
}

fn with(server: &S3, name: &str, value: &str) -> Vec<(String, String)> {
    let mut variables = server.variables();
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_owned(), value.to_owned()));
    variables
}

#[test]
fn what_cannot_be_written_stops_the_run() {
    needs_postgres!();
    let scene = Scene::new("store_refused", USERS);
    let mut server = S3::start();
    let url = server.url();
    let cases = [
        ("s3://missing/app", server.variables(), "there is no such bucket", "make `missing`"),
        (
            url.as_str(),
            with(&server, "AWS_SECRET_ACCESS_KEY", "wrong"),
            "the credentials are not accepted",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        (
            url.as_str(),
            with(&server, "AWS_ALLOW_HTTP", "false"),
            "the endpoint speaks plain HTTP",
            "AWS_ALLOW_HTTP=true",
        ),
    ];
    for (url, variables, why, hint) in cases {
        let outcome = run(&scene, url, &variables).exits(Exit::SnapshotFailed);
        let _ = outcome.says(why).says(hint).says(url);
        scene.assert_nothing_happened();
    }
    let variables = server.variables();
    server.stop();
    let outcome = run(&scene, &url, &variables).exits(Exit::SnapshotFailed);
    let _ = outcome.says("the server can't be reached").says("check the network");
    scene.assert_nothing_happened();
}

#[test]
fn a_url_with_a_secret_is_refused_and_not_repeated() {
    needs_postgres!();
    let scene = Scene::new("store_secret_url", USERS);
    let url = format!("s3://key:{SECRET}@kept/app");
    let outcome = run(&scene, &url, &[]).exits(Exit::NoAnswer);
    let _ = outcome.says("credentials and options come from the environment");
    let outcome = run(&scene, "ftp://host/x", &[]).exits(Exit::NoAnswer);
    let _ = outcome.says("`ftp://` is no place for snapshots");
}
