//! TLS does what libpq's TLS does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rowsafe::db::connect::ConnectError;

use super::{by_rowsafe, conninfo, pki, reach};
use crate::harness::{Database, Sandbox, Server};

#[test]
fn every_sslmode_does_what_libpq_does() {
    needs_postgres!();
    let tls = pki::shared();
    let (pki, with_tls) = &*tls;
    let sandbox = Sandbox::new();
    for (server, has_tls) in [(Arc::clone(with_tls), true), (Server::shared(), false)] {
        let db = Database::on(&server, &format!("connect_modes_{has_tls}"), "planted-modes");
        for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
            for host in ["localhost", "127.0.0.1"] {
                for root in ["", "ca.crt", "other-ca.crt", "nothing.crt"] {
                    let mut more = format!("sslmode={mode}");
                    if !root.is_empty() {
                        more = format!("{more} sslrootcert={}", pki.text(root));
                    }
                    let reached = reach(&conninfo(&db, host, &more), &server, &sandbox);
                    let is_checked = root == "ca.crt" || root == "other-ca.crt";
                    let is_name_right = host == "localhost" || mode != "verify-full";
                    let tls_works = has_tls
                        && (root != "other-ca.crt")
                        && (is_checked || !mode.starts_with("verify"))
                        && is_name_right;
                    let expected = match mode {
                        "disable" | "allow" => Some(""),
                        "prefer" => Some(if tls_works { " tls" } else { "" }),
                        _ => tls_works.then_some(" tls"),
                    };
                    let expected = expected.map(|tls| format!("{0}@{0}{tls}", db.name));
                    assert_eq!(reached, expected, "{mode} {host} {root} {has_tls}");
                }
            }
        }
        drop(db);
    }
}

#[test]
fn certificates_in_the_home_directory_are_found() {
    needs_postgres!();
    let tls = pki::shared();
    let (pki, server) = &*tls;
    let db = Database::on(server, "connect_home", "planted-home");
    let sandbox = Sandbox::new();
    let directory = sandbox.home().join(".postgresql");
    fs::create_dir(&directory).unwrap();
    fs::copy(pki.path("ca.crt"), directory.join("root.crt")).unwrap();
    let full = conninfo(&db, "localhost", "sslmode=verify-full");
    assert_eq!(reach(&full, server, &sandbox).as_deref(), Some("connect_home@connect_home tls"));
    fs::copy(pki.path("other-ca.crt"), directory.join("root.crt")).unwrap();
    // With a root certificate `require` checks, and `prefer` goes on without TLS.
    assert_eq!(reach(&conninfo(&db, "localhost", "sslmode=require"), server, &sandbox), None);
    let plain = reach(&conninfo(&db, "localhost", ""), server, &sandbox);
    assert_eq!(plain.as_deref(), Some("connect_home@connect_home"));
}

#[test]
fn rules_about_tls_are_met_by_trying_the_other_way() {
    needs_postgres!();
    let tls = pki::shared();
    let server = &tls.1;
    let sandbox = Sandbox::new();
    for (name, mode, expected) in [
        ("connect_tls_only", "allow", Some(" tls")),
        ("connect_tls_only", "prefer", Some(" tls")),
        ("connect_tls_only", "disable", None),
        ("connect_plain_only", "allow", Some("")),
        ("connect_plain_only", "prefer", Some("")),
        ("connect_plain_only", "require", None),
        ("connect_nobody", "prefer", None),
    ] {
        let db = Database::on(server, name, "planted-rules");
        let written = conninfo(&db, "localhost", &format!("sslmode={mode}"));
        let expected = expected.map(|tls| format!("{name}@{name}{tls}"));
        assert_eq!(reach(&written, server, &sandbox), expected, "{name} {mode}");
    }
}

#[test]
fn a_client_certificate_and_channel_binding_are_offered() {
    needs_postgres!();
    let tls = pki::shared();
    let (pki, server) = &*tls;
    let sandbox = Sandbox::new();
    let db = Database::on(server, "connect_cert", "planted-cert");
    let pair = format!("sslcert={} sslkey={}", pki.text("client.crt"), pki.text("client.key"));
    let with = conninfo(&db, "localhost", &format!("sslmode=require {pair}"));
    assert_eq!(reach(&with, server, &sandbox).as_deref(), Some("connect_cert@connect_cert tls"));
    let without = conninfo(&db, "localhost", "sslmode=require");
    assert_eq!(reach(&without, server, &sandbox), None);

    // Issued by nobody that the server knows: it ends the session after the handshake.
    let pair = format!("sslcert={} sslkey={}", pki.text("self.crt"), pki.text("stranger.key"));
    fs::copy(pki.path("self.key"), pki.path("stranger.key")).unwrap();
    let stranger = conninfo(&db, "localhost", &format!("sslmode=require {pair}"));
    assert_eq!(reach(&stranger, server, &sandbox), None);
    let error = by_rowsafe(&stranger.target(&sandbox)).unwrap_err();
    assert!(error.to_string().contains("the server ended the handshake"), "{error}");

    let bound = Database::on(server, "connect_bound", "planted-bound");
    for (more, expected) in [
        ("sslmode=require channel_binding=require", Some("connect_bound@connect_bound tls")),
        ("sslmode=disable channel_binding=require", None),
        ("sslmode=require channel_binding=disable", Some("connect_bound@connect_bound tls")),
    ] {
        let written = conninfo(&bound, "localhost", more);
        assert_eq!(reach(&written, server, &sandbox).as_deref(), expected, "{more}");
    }
}

#[test]
fn certificates_as_the_manual_teaches_to_make_them_will_do() {
    needs_postgres!();
    let tls = pki::shared();
    let pki = &tls.0;
    let sandbox = Sandbox::new();
    let own = pki.server("self");
    let db = Database::on(&own, "connect_self", "planted-self");
    let root = format!("sslmode=verify-full sslrootcert={}", pki.text("self.crt"));
    let reached = reach(&conninfo(&db, "localhost", &root), &own, &sandbox);
    assert_eq!(reached.as_deref(), Some("connect_self@connect_self tls"));
    assert_eq!(reach(&conninfo(&db, "127.0.0.1", &root), &own, &sandbox), None);

    let old = pki.server("v1");
    let db = Database::on(&old, "connect_v1", "planted-v1");
    let reached = reach(&conninfo(&db, "localhost", "sslmode=require"), &old, &sandbox);
    assert_eq!(reached.as_deref(), Some("connect_v1@connect_v1 tls"));
    // Checking one is weaker than libpq: it is refused with a reason.
    let root = format!("sslmode=verify-ca sslrootcert={}", pki.text("ca.crt"));
    let error = by_rowsafe(&conninfo(&db, "localhost", &root).target(&sandbox)).unwrap_err();
    assert!(matches!(error, ConnectError::TlsFailed { .. }), "{error}");
    assert!(error.hints()[0].contains("version 3"), "{error} {:?}", error.hints());
}

#[test]
fn what_tls_fails_on_is_said() {
    needs_postgres!();
    let tls = pki::shared();
    let (pki, server) = &*tls;
    let db = Database::on(server, "connect_said", "planted-said");
    let sandbox = Sandbox::new();
    let root = |name: &str| format!("sslrootcert={}", pki.text(name));
    let key = format!("sslcert={} sslkey={}", pki.text("client.crt"), pki.text("open.key"));
    fs::copy(pki.path("client.key"), pki.path("open.key")).unwrap();
    fs::set_permissions(pki.path("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    for (host, more, expected) in [
        ("localhost", format!("sslmode=verify-ca {}", root("other-ca.crt")), "was not issued by"),
        ("127.0.0.1", format!("sslmode=verify-full {}", root("ca.crt")), "for another host name"),
        ("localhost", "sslmode=verify-full".to_owned(), "root.crt does not exist"),
        ("localhost", format!("sslmode=verify-ca {}", root("no.crt")), "no.crt` does not exist"),
        ("localhost", format!("sslmode=require {}", root("ca.key")), "holds no root certificate"),
        ("localhost", format!("sslmode=require {key}"), "open.key` is readable for others"),
        ("localhost", "sslrootcert=system".to_owned(), "was not issued by"),
    ] {
        let error = by_rowsafe(&conninfo(&db, host, &more).target(&sandbox)).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, ConnectError::TlsFailed { .. }), "{said}");
        assert!(said.contains(expected) && said.contains("connect_said@"), "{said}");
        assert!(!error.hints().is_empty() && !said.contains("planted"), "{said}");
    }
    let plain = Database::on(&Server::shared(), "connect_said", "planted-said");
    let error = by_rowsafe(&conninfo(&plain, "localhost", "sslmode=require").target(&sandbox));
    let error = error.unwrap_err();
    assert!(error.to_string().ends_with("server does not support TLS"), "{error}");
}
