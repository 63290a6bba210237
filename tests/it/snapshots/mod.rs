//! `rowsafe snapshot`: what each command answers, and what is there afterwards.

mod create;
mod list;
mod prune;
mod schedule;
mod verify;

use std::path::PathBuf;

use rowsafe::exit::Exit;
use serde_json::Value;

use crate::harness::{Outcome, Rowsafe, Scene};

/// Three tables, two of them hanging together.
const SHOP: &str = "CREATE TABLE users AS SELECT n AS id, 'u' || n AS name FROM generate_series(1, 50) n; \
    ALTER TABLE users ADD PRIMARY KEY (id); \
    CREATE TABLE orders (id serial PRIMARY KEY, user_id int REFERENCES users); \
    INSERT INTO orders (user_id) SELECT n FROM generate_series(1, 30) n; \
    CREATE TABLE alembic_version (version_num varchar(32)); \
    INSERT INTO alembic_version VALUES ('3f9c1a')";

fn scene(name: &str) -> Scene {
    Scene::new(name, SHOP)
}

/// `rowsafe snapshot WORDS`.
fn snapshot<'a>(scene: &'a Scene, words: &[&str]) -> Rowsafe<'a> {
    scene.rowsafe("snapshot").args(words)
}

/// What it prints as JSON, held against its schema.
#[track_caller]
fn json(outcome: &Outcome) -> Value {
    let value: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("no JSON: {error}\n{outcome}"));
    crate::schema::check(&value);
    value
}

/// Takes a snapshot and says its id.
#[track_caller]
fn create(scene: &Scene, words: &[&str]) -> String {
    let outcome =
        snapshot(scene, &["create", "--format", "json"]).args(words).run().exits(Exit::Ok);
    json(&outcome)["id"].as_str().expect("a snapshot has an id").to_owned()
}

/// The whole store as `list` tells it.
#[track_caller]
fn listed(scene: &Scene) -> Vec<Value> {
    let outcome = snapshot(scene, &["list", "--format", "json"]).run().exits(Exit::Ok);
    json(&outcome).as_array().expect("a list").clone()
}

/// What `list` says of one.
#[track_caller]
fn of(scene: &Scene, id: &str) -> Value {
    let found = listed(scene).into_iter().find(|item| item["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not listed"))
}

fn archive(scene: &Scene, id: &str) -> PathBuf {
    scene.store().join(id).join("archive.dump.zst")
}

/// Turns one bit in the middle of the archive: its length stays.
fn flip(scene: &Scene, id: &str) {
    let path = archive(scene, id);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

/// Makes a snapshot so many days older than it is.
fn age(scene: &Scene, id: &str, days: i64) {
    let path = scene.store().join(id).join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let taken: jiff::Timestamp = manifest["created_at"].as_str().unwrap().parse().unwrap();
    let taken = taken - jiff::SignedDuration::from_hours(24 * days);
    manifest["created_at"] = taken.to_string().into();
    std::fs::write(&path, manifest.to_string()).unwrap();
}
