//! What every place for snapshots promises.

use rowsafe::snapshot::store::{Damaged, Entry};

use super::{ARCHIVE, Place, archive, block_on, keep, listed, manifest, read, write};

#[test]
fn what_was_published_is_found_and_read_back() {
    for place in Place::all() {
        block_on(async {
            let store = place.store();
            assert_eq!(listed(&store).await, (vec![], 0));
            let none = store.find("latest").await.unwrap_err();
            assert!(none.to_string().starts_with("there is no snapshot in `"), "{none}");
            keep(&store, "aaaa0001", 2, b"first").await;
            keep(&store, "aaaa0002", 3, b"second").await;
            keep(&store, "bbbb0001", 1, b"").await;
            let newest_first = ["aaaa0002", "aaaa0001", "bbbb0001"].map(str::to_owned).to_vec();
            assert_eq!(listed(&store).await, (newest_first, 0));
            assert_eq!(read(&store, "latest").await, b"second");
            assert_eq!(read(&store, "aaaa0001").await, b"first");
            assert_eq!(read(&store, "b").await, b"");
            let several = store.find("aaaa").await.unwrap_err();
            assert_eq!(several.to_string(), "`aaaa` is the beginning of 2 snapshots");
            for id in ["c", "", "aaaa0001x", "../aaaa0001", "."] {
                let unknown = store.find(id).await.unwrap_err();
                assert!(unknown.to_string().starts_with("no snapshot `"), "{unknown}");
            }
        });
    }
}

/// Several parts, the last one short; more than what is on its way at once.
#[test]
fn a_large_archive_comes_back_byte_by_byte() {
    let bytes: Vec<u8> =
        (0..45_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for place in Place::all() {
        block_on(async {
            let store = place.store();
            keep(&store, "large001", 1, &bytes).await;
            assert!(read(&store, "large001").await == bytes, "other bytes came back");
        });
    }
}

#[test]
fn what_is_given_up_leaves_nothing_behind() {
    for place in Place::all() {
        block_on(async {
            let store = place.store();
            store.prepare().await.unwrap();
            for is_whole in [false, true] {
                let partial = store.begin("given0up").await.unwrap();
                write(&partial, vec![7; 9_000_000], is_whole).await;
                assert_eq!(listed(&store).await, (vec![], 1));
                drop(partial);
                assert_eq!(listed(&store).await, (vec![], 0));
                place.assert_empty();
            }
        });
    }
}

/// As after a SIGKILL, when nobody cleans up.
#[test]
fn what_is_half_written_is_listed_as_that_and_never_offered() {
    for place in Place::all() {
        block_on(async {
            let store = place.store();
            keep(&store, "whole001", 1, b"whole").await;
            for (id, is_whole) in [("half0001", false), ("half0002", true)] {
                let partial = store.begin(id).await.unwrap();
                write(&partial, vec![7; 9_000_000], is_whole).await;
                std::mem::forget(partial);
                let refused = store.find(id).await.unwrap_err();
                assert_eq!(refused.to_string(), format!("snapshot {id} was never finished"));
            }
            assert_eq!(listed(&store).await, (vec!["whole001".to_owned()], 2));
            assert_eq!(read(&store, "latest").await, b"whole");
            let entries = store.entries().await.unwrap();
            let halves = entries.iter().filter_map(|entry| match entry {
                Entry::HalfWritten(remains) => Some(remains),
                _ => None,
            });
            for half in halves {
                let age = jiff::Timestamp::now().duration_since(half.since).as_secs();
                assert!((-5..600).contains(&age), "{half:?}");
                assert!(half.location.contains(&half.id), "{half:?}");
            }
            store.remove("half0001").await.unwrap();
            store.remove("half0002").await.unwrap();
            store.remove("whole001").await.unwrap();
            place.assert_empty();
        });
    }
}

#[test]
fn what_is_damaged_is_listed_as_that_and_never_offered() {
    for place in Place::all() {
        block_on(async {
            let store = place.store();
            for (second, id) in (1..).zip(["old00001", "cut00001", "lost0001", "torn0001"]) {
                keep(&store, id, second, b"some bytes").await;
            }
            let file = |id: &str, name: &str| place.directory().join(id).join(name);
            std::fs::write(file("old00001", ARCHIVE), b"more bytes than were written").unwrap();
            keep(&store, "good0001", 2, b"good").await;
            // An older one is no reason to doubt which is the latest.
            assert_eq!(listed(&store).await.0.len(), 4);
            std::fs::write(file("cut00001", ARCHIVE), b"some").unwrap();
            std::fs::remove_file(file("lost0001", ARCHIVE)).unwrap();
            std::fs::write(file("torn0001", "manifest.json"), b"{\"schema\": \"rowsa").unwrap();
            assert_eq!(listed(&store).await, (vec!["good0001".to_owned()], 4));
            for (id, says) in [
                ("old00001", "its archive has 28 bytes, and 10 were written"),
                ("cut0", "snapshot cut00001 is damaged: its archive has 4 bytes"),
                ("lost0001", "its archive `archive.dump.zst` is missing"),
                ("torn0001", "is damaged: EOF while parsing"),
            ] {
                let refused = store.find(id).await.unwrap_err();
                assert!(refused.to_string().contains(says), "{refused}");
            }
            // What was taken later, or nobody knows when, may be what is meant.
            let refused = store.find("latest").await.unwrap_err();
            assert!(refused.hints().iter().any(|hint| hint.contains("by its id")), "{refused}");
            for entry in store.entries().await.unwrap() {
                if let Entry::Damaged(Damaged { remains, .. }) = entry {
                    store.remove(&remains.id).await.unwrap();
                }
            }
            assert_eq!(read(&store, "latest").await, b"good");
            assert_eq!(listed(&store).await, (vec!["good0001".to_owned()], 0));
        });
    }
}

#[test]
fn what_is_removed_is_gone_and_nothing_else() {
    for place in Place::all() {
        block_on(async {
            let store = place.store();
            keep(&store, "aaaa0001", 1, b"one").await;
            keep(&store, "aaaa0002", 2, b"two").await;
            for id in ["", ".", "..", "aaaa", "aaaa0001/..", ".partial-aaaa0001", "zzzz0001"] {
                let refused = store.remove(id).await.unwrap_err();
                assert!(refused.to_string().starts_with("no snapshot `"), "{id}: {refused}");
            }
            store.remove("aaaa0002").await.unwrap();
            assert!(store.remove("aaaa0002").await.is_err());
            assert_eq!(listed(&store).await, (vec!["aaaa0001".to_owned()], 0));
            assert_eq!(read(&store, "latest").await, b"one");
            store.remove("aaaa0001").await.unwrap();
            place.assert_empty();
        });
    }
}

/// Whoever looks meanwhile sees whole snapshots or none.
#[test]
fn writers_readers_and_two_who_prune_at_once() {
    const EACH: usize = 8;
    for place in Place::all() {
        block_on(place.store().prepare()).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let store = place.store();
                scope.spawn(move || {
                    block_on(async {
                        for n in 0..EACH {
                            let id = format!("w{writer}n{n:05}");
                            keep(&store, &id, 1, id.as_bytes()).await;
                        }
                    });
                });
            }
            for _ in 0..2 {
                let store = place.store();
                scope.spawn(move || {
                    block_on(async {
                        loop {
                            let (whole, _) = listed(&store).await;
                            for id in whole.iter().filter(|id| id.starts_with("w0")) {
                                // The other one may have been faster.
                                let _ = store.remove(id).await;
                            }
                            let others = whole.iter().filter(|id| !id.starts_with("w0"));
                            let mut seen = 0;
                            for id in others {
                                assert_eq!(read(&store, id).await, id.as_bytes());
                                seen += 1;
                            }
                            if seen == 2 * EACH {
                                break;
                            }
                        }
                    });
                });
            }
        });
        block_on(async {
            let store = place.store();
            for id in listed(&store).await.0.iter().filter(|id| id.starts_with("w0")) {
                store.remove(id).await.unwrap();
            }
            let (whole, others) = listed(&store).await;
            assert_eq!((whole.len(), others), (2 * EACH, 0));
        });
    }
}

/// A server lists a thousand objects at a time.
#[test]
fn more_than_one_page_of_snapshots() {
    const ALL: i64 = 1_200;
    for place in Place::all() {
        block_on(place.store().prepare()).unwrap();
        for n in 0..ALL {
            let id = format!("s{n:07}");
            let directory = place.directory().join(&id);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(ARCHIVE), b"x").unwrap();
            let manifest = manifest(&id, n, archive(1));
            std::fs::write(directory.join("manifest.json"), manifest.to_text()).unwrap();
        }
        block_on(async {
            let store = place.store();
            let (whole, others) = listed(&store).await;
            assert_eq!((whole.len(), others), (1_200, 0));
            assert_eq!((whole[0].as_str(), whole[1_199].as_str()), ("s0001199", "s0000000"));
            assert_eq!(store.find("latest").await.unwrap().manifest.id, "s0001199");
            assert_eq!(store.find("s0000003").await.unwrap().manifest.id, "s0000003");
        });
    }
}
