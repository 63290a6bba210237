//! A bit that flipped, a file that was cut, wherever: noticed by whoever reads it, and nothing of it
//! is put back.

use std::path::PathBuf;

use age::x25519::Identity;
use rowsafe::exit::Exit;
use rowsafe::hint::Refusal;
use rowsafe::snapshot::encryption::Keys;
use rowsafe::snapshot::store::Stored;
use rowsafe::snapshot::tools::Tools;
use rowsafe::snapshot::{archive, dump, verify};

use super::{Place, block_on, manifest};
use crate::harness::scene::HARMLESS;
use crate::harness::{Rowsafe, Scene};

/// Larger than a pipe and than what pg_restore wants of it, in many blocks.
const NOISE: &str = "CREATE TABLE few (id int PRIMARY KEY); INSERT INTO few VALUES (1), (2);
     CREATE TABLE noise AS SELECT n, string_agg(md5(n::text || m), '') AS text
       FROM generate_series(1, 400) n, generate_series(1, 50) m GROUP BY n";

/// Places of damage, of each kind.
const PLACES: u32 = 30;

async fn verified(stored: &Stored, tools: &Tools) -> Result<(), Refusal> {
    let manifest = &stored.manifest;
    let (tables, objects) = (&manifest.tables, manifest.large_objects);
    verify::verify(stored.archive(), &manifest.archive, tables, objects, tools, |_| {})
        .await
        .map(drop)
}

#[test]
fn a_flipped_bit_or_a_cut_anywhere_is_noticed_by_every_reader() {
    needs_postgres!();
    let scene = Scene::new("store_damaged", NOISE);
    let tool = |name: &str| vec![scene.real(name).display().to_string()];
    let tools = Tools { dump: tool("pg_dump"), restore: tool("pg_restore") };
    let dump = Rowsafe::program(&scene.sandbox, scene.real("pg_dump"));
    let dump =
        dump.args(["--format=custom", "--compress=0", "--file=dump", &scene.db.socket_url()]);
    let _ = dump.run().exits(Exit::Ok);
    let dump = std::fs::read(scene.sandbox.path().join("dump")).unwrap();
    let recipient = Identity::generate().to_public().to_string();
    let mut random = fastrand::Rng::with_seed(7);
    for (place, keys) in Place::all().into_iter().zip([None, Some(vec![recipient])]) {
        let keys = Keys::new(keys.unwrap_or_default(), None);
        let store = place.store().with_keys(keys.clone());
        let (id, file) = ("damaged1", super::ARCHIVE);
        block_on(async {
            store.prepare().await.unwrap();
            let packed = zstd::encode_all(dump.as_slice(), 1).unwrap();
            let bytes = sealed(&keys, &packed);
            let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
            let mut archive = super::archive(bytes.len());
            archive.sha256 = dump::hex(&digest);
            archive.encryption = keys.encryption();
            let partial = store.begin(id).await.unwrap();
            super::write(&partial, bytes.clone(), true).await;
            let _ = partial.publish(&manifest(id, 1, archive)).await.unwrap();
            let stored = store.find(id).await.unwrap();
            verified(&stored, &tools).await.unwrap();
            archive::refuse_damaged(&stored).await.unwrap();
            let path: PathBuf = place.directory().join(id).join(file);
            for n in 0..PLACES * 2 {
                let at = random.usize(..bytes.len());
                let mut spoiled = bytes.clone();
                if n % 2 == 0 {
                    spoiled[at] ^= 1 << random.u8(..8);
                } else {
                    spoiled.truncate(at);
                }
                std::fs::write(&path, &spoiled).unwrap();
                let what = format!("{} of {} bytes, place {at}", spoiled.len(), bytes.len());
                assert!(verified(&stored, &tools).await.is_err(), "verify: {what}");
                assert!(archive::refuse_damaged(&stored).await.is_err(), "digest: {what}");
                let invocation = tools.restore_invocation().arg("--table=few").arg("--file=-");
                let read = archive::apply(&stored, &invocation).await;
                assert!(read.is_err(), "read: {what}");
            }
            std::fs::write(&path, &bytes).unwrap();
            verified(&stored, &tools).await.unwrap();
        });
    }
}

fn sealed(keys: &Keys, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    if keys.encryption().is_none() {
        return bytes.to_vec();
    }
    let mut writer = keys.encrypt(Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// The table that comes back is read long before the place of the damage.
#[test]
fn nothing_of_a_damaged_snapshot_is_put_back() {
    needs_postgres!();
    let scene = Scene::new("store_damaged_back", NOISE);
    let _ = scene.run(HARMLESS).run().exits(Exit::Ok);
    let archive = scene.store().join(&scene.kept()[0]).join(super::ARCHIVE);
    let bytes = std::fs::read(&archive).unwrap();
    for (loss, count, share) in [
        ("DROP TABLE few", "SELECT count(*) FROM pg_class WHERE relname = 'few'", 95),
        ("CREATE TABLE few (id int PRIMARY KEY)", "SELECT count(*) FROM few", 97),
        ("INSERT INTO few VALUES (2)", "SELECT count(*) - 1 FROM few", 99),
    ] {
        let mut spoiled = bytes.clone();
        spoiled[bytes.len() * share / 100] ^= 0x10;
        std::fs::write(&archive, spoiled).unwrap();
        scene.db.execute(loss);
        let restore = scene.rowsafe("restore").args(["latest", "--table", "few"]);
        let outcome = restore.args(["--confirm", &scene.db.name]).run();
        assert_ne!(outcome.code, Some(0), "{outcome}");
        assert_eq!(scene.db.query_one_i64(count), 0, "rows of it came back\n{outcome}");
    }
    std::fs::write(&archive, bytes).unwrap();
    let restore = scene.rowsafe("restore").args(["latest", "--table", "few"]);
    let _ = restore.args(["--confirm", &scene.db.name]).run().exits(Exit::Ok);
    assert_eq!(scene.db.query_one_i64("SELECT count(*) FROM few"), 2);
}
