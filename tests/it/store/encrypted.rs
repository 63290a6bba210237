//! Encrypted at rest: whoever keeps needs the recipient alone, whoever restores the identity.

use std::io::Read as _;
use std::path::Path;
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use rowsafe::exit::Exit;

use crate::harness::scene::HARMLESS;
use crate::harness::{Rowsafe, S3, Scene, secrets};

const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);
     INSERT INTO users SELECT n, 'name ' || n FROM generate_series(1, 1000) n";

/// A new identity in a file of the project, and its recipient.
fn keygen(scene: &Scene) -> (String, String) {
    let identity = Identity::generate();
    let secret = identity.to_string().expose_secret().to_owned();
    scene.sandbox.write("key.txt", &format!("# made for a test\n{secret}\n"));
    (identity.to_public().to_string(), secret)
}

fn at<'a>(server: Option<&S3>, command: Rowsafe<'a>) -> Rowsafe<'a> {
    let Some(server) = server else { return command };
    let command = command.env("ROWSAFE_STORE", server.url());
    server.variables().iter().fold(command, |command, (name, value)| command.env(name, value))
}

#[test]
fn kept_with_the_recipient_and_restored_with_the_identity() {
    needs_postgres!();
    let server = S3::start();
    for (name, server) in [("store_age", None), ("store_age_s3", Some(&server))] {
        let scene = Scene::new(name, USERS);
        let (recipient, secret) = keygen(&scene);
        scene.sandbox.write("rowsafe.toml", &format!("encrypt-to = [\"{recipient}\"]\n"));
        // Verified, and compared by value, where no identity is at hand.
        let lossy = scene.run("psql -qX \"$DB\" -c 'UPDATE users SET name = NULL WHERE id > 10'");
        let outcome = at(server, lossy).with_report().run().exits(Exit::Loss);
        let outcome = outcome.says("990");
        secrets::assert_nowhere(&secret, &outcome, &scene.sandbox, &["key.txt"]);
        let id = outcome.json()["snapshot"]["id"].as_str().unwrap().to_owned();
        let store = server.map_or_else(|| scene.store(), S3::directory);
        manifest_says_so(&store.join(&id), &recipient);

        let into = format!("{name}_before");
        let restore = || scene.rowsafe("restore").args(["latest", "--into", &into]);
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{into}'");
        let refused = at(server, restore()).run().exits(Exit::NoAnswer);
        let refused = refused.says("the snapshot is encrypted, and no identity is at hand");
        let _ = refused.says("--identity PATH");
        assert_eq!(scene.db.admin().query_one_i64(&there), 0);
        let other = Identity::generate();
        scene.sandbox.write("other.txt", other.to_string().expose_secret());
        let refused = at(server, restore().args(["--identity", "other.txt"])).run();
        let _ = refused.exits(Exit::NoAnswer).says("no identity in `").says("other.txt` opens it");
        assert_eq!(scene.db.admin().query_one_i64(&there), 0);

        let _ = at(server, restore().args(["--identity", "key.txt"])).run().exits(Exit::Ok);
        let back = scene.db.server().admin(&into);
        assert_eq!(back.query_one_i64("SELECT count(name) FROM users"), 1000);
        let verify = scene.rowsafe("snapshot").args(["verify", &id]);
        let _ = at(server, verify.env("ROWSAFE_IDENTITY", "key.txt")).run().exits(Exit::Ok);
        plain_tools_open_it(&scene, &store.join(&id), &secret);
    }
}

fn manifest_says_so(snapshot: &Path, recipient: &str) {
    let text = std::fs::read(snapshot.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(manifest["schema"], "rowsafe.snapshot/4");
    assert_eq!(manifest["archive"]["file"], "archive.dump.zst.age");
    assert_eq!(manifest["archive"]["encryption"]["format"], "age-encryption.org/v1");
    assert_eq!(manifest["archive"]["encryption"]["recipients"][0], recipient);
    assert_eq!(manifest["verified"]["rows"], 1000);
}

/// `age -d -i key.txt archive.dump.zst.age | zstd -d | pg_restore`, step by step.
fn plain_tools_open_it(scene: &Scene, snapshot: &Path, secret: &str) {
    let file = std::fs::File::open(snapshot.join("archive.dump.zst.age")).unwrap();
    let identity = Identity::from_str(secret).unwrap();
    let decryptor = age::Decryptor::new(file).unwrap();
    let plain = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).unwrap();
    let mut dump = Vec::new();
    zstd::stream::read::Decoder::new(plain).unwrap().read_to_end(&mut dump).unwrap();
    let listed = Rowsafe::program(&scene.sandbox, scene.real("pg_restore"));
    let listed = listed.arg("--list").stdin(dump).run().exits(Exit::Ok);
    let _ = listed.prints("TABLE DATA public users");
}

#[test]
fn what_is_no_recipient_is_refused_before_anything_is_done() {
    needs_postgres!();
    let scene = Scene::new("store_age_refused", USERS);
    let (_, secret) = keygen(&scene);
    let run = scene.run(HARMLESS).env("ROWSAFE_ENCRYPT_TO", "ssh-ed25519");
    let _ = run.run().exits(Exit::NoAnswer).says("it is no recipient of age");
    scene.sandbox.write("rowsafe.toml", &format!("encrypt-to = \"{secret}\"\n"));
    let refused = scene.run(HARMLESS).run().exits(Exit::NoAnswer);
    let refused = refused.says("`encrypt-to`: that is an identity, which is secret");
    assert!(!format!("{}{}", refused.stdout, refused.stderr).contains(&secret), "{refused}");
    scene.assert_nothing_happened();
}
