use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::{Resolved, resolve, resolve_sqlalchemy_url};
use crate::db::pgpass::{self, Passfile};
use crate::db::target::{Address, RootCert, SessionAttrs, SslMode, Target};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;

const NO_HOME: &str = "/nowhere";

fn environment(variables: &[(&str, &str)]) -> Environment {
    let home = [("HOME", NO_HOME)];
    let all = home.iter().chain(variables);
    Environment::new(all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())), "/project")
}

fn read(string: &str, variables: &[(&str, &str)]) -> Result<Resolved, Refusal> {
    resolve(Some(string), "--database", &environment(variables))
}

fn target(string: &str, variables: &[(&str, &str)]) -> Target {
    read(string, variables).unwrap_or_else(|refusal| panic!("{string}: {refusal}")).target
}

fn refusal(string: &str) -> Refusal {
    let refusal = read(string, &[]).expect_err(string);
    assert_eq!(refusal.exit(), Exit::NoAnswer, "{string}");
    refusal
}

#[test]
fn the_string_comes_first_then_its_service_then_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let services = directory.path().join("services");
    let text = "[s]\nhost=of-service\nuser=of-service\ndbname=of-service\n";
    crate::text::write_atomically(&services, text.as_bytes()).unwrap();
    let services = services.display().to_string();
    let variables = [
        ("PGSERVICEFILE", services.as_str()),
        ("PGSERVICE", "s"),
        ("PGHOST", "of-environment"),
        ("PGUSER", "of-environment"),
        ("PGDATABASE", "of-environment"),
        ("PGPORT", "6000"),
    ];
    let label = |string, variables: &[_]| target(string, variables).label();
    assert_eq!(label("host=h dbname=d", &variables), "of-service@h:6000/d");
    assert_eq!(label("dbname=d", &variables[2..]), "of-environment@of-environment:6000/d");
    let without = resolve(None, "libpq's environment", &environment(&variables)).unwrap();
    assert_eq!(without.target.label(), "of-service@of-service:6000/of-service");
    assert_eq!(label("service=s port=1", &[variables[0]]), "of-service@of-service:1/of-service");
}

#[test]
fn nothing_is_guessed() {
    let none = resolve(None, "x", &environment(&[("PGUSER", "u"), ("PGPASSWORD", "p")]));
    assert_eq!(none.unwrap_err().to_string(), "no database named");
    for (string, expected) in [
        ("postgresql://u@h", "--database names no database"),
        ("host=h user=u", "--database names no database"),
        ("prod", "--database is not a connection string"),
        ("", "--database is not a connection string"),
    ] {
        assert_eq!(refusal(string).to_string(), expected, "{string}");
    }
}

#[test]
fn what_is_refused_says_why_and_shows_no_value() {
    for (string, expected) in [
        ("mysql://u:hunter2@h/d", "names a `mysql` database"),
        ("sqlite:///hunter2.db", "names a `sqlite` database"),
        ("postgresql+nope://u:hunter2@h/d", "names the driver `nope`"),
        ("postgresql://u:hun@ter2@h/d", "not percent-encoded"),
        ("postgresql://u@h:hunter2/d", "port that is not a number"),
        ("host=h port=99999 dbname=hunter2", "port that is not a number from 1 to 65535"),
        ("host=a,b port=1,2,3 dbname=d", "has 3 ports for 2 hosts"),
        ("host=a,b hostaddr=::1 dbname=d", "has 2 hosts and 1 host addresses"),
        ("hostaddr=hunter2 dbname=d", "`hostaddr` that is not an IP address"),
        ("host=ter2@h dbname=hunter2", "has a host that is neither"),
        ("host=h dbname=d sslmode=hunter2", "has a `sslmode` that PostgreSQL does not have"),
        ("host=h dbname=d sslmode=require sslrootcert=system", "too weak for sslrootcert=system"),
        ("host=h dbname=d gssencmode=require", "demands GSSAPI encryption"),
        ("host=h dbname=d replication=database", "asks for a replication connection"),
        ("host=h dbname=d connect_timeout=hunter2", "not a number of seconds"),
        ("host=h dbname=d hots=hunter2", "unknown parameter `hots`"),
        ("host=h dbname=d password=hun ter2=x", "unknown parameter after `password`"),
        ("host=h dbname=d ssl_context=x", "unknown parameter `ssl_context`"),
    ] {
        let refusal = refusal(string);
        let said = format!("{refusal} {}", refusal.hints().join(" "));
        assert!(said.starts_with("--database ") && said.contains(expected), "{string}: {said}");
        assert!(!said.contains("hun") && !said.contains("ter2"), "{string}: {said}");
    }
}

#[test]
fn a_refusal_names_the_place_of_the_value() {
    let variables = [("PGSSLMODE", "sometimes")];
    let refusal = read("host=h user=u dbname=d", &variables).unwrap_err();
    assert!(refusal.to_string().starts_with("PGSSLMODE has a `sslmode`"), "{refusal}");
}

#[test]
fn tls_is_read_as_libpq_reads_it() {
    let tls = |string: &str, variables: &[_]| target(string, variables).tls;
    let place = "host=h user=u dbname=d";
    assert_eq!(tls(place, &[]).mode, SslMode::Prefer);
    assert_eq!(tls(place, &[("PGSSLMODE", "verify-ca")]).mode, SslMode::VerifyCa);
    assert_eq!(tls(place, &[("PGREQUIRESSL", "1")]).mode, SslMode::Require);
    let system = tls(&format!("{place} sslrootcert=system"), &[]);
    assert_eq!((system.mode, system.root_cert), (SslMode::VerifyFull, Some(RootCert::System)));
    let relative = tls(&format!("{place} sslrootcert=ca.crt sslcert=c.crt sslkey=c.key"), &[]);
    let file = |name: &str| Path::new("/project").join(name);
    assert_eq!(relative.root_cert, Some(RootCert::File(file("ca.crt"))));
    assert_eq!(relative.client_cert, Some((file("c.crt"), file("c.key"))));
}

#[test]
fn a_timeout_that_is_not_given_is_not_for_ever() {
    let patience = |more: &str| target(&format!("host=h user=u dbname=d {more}"), &[]).patience();
    assert_eq!(patience(""), Duration::from_secs(10));
    assert_eq!(patience("connect_timeout=3"), Duration::from_secs(3));
    for for_ever in ["connect_timeout=0", "connect_timeout=-1"] {
        assert_eq!(patience(for_ever), Duration::ZERO);
    }
}

#[test]
fn hosts_sockets_and_addresses_are_told_apart() {
    let hosts = |string: &str| target(string, &[]).hosts;
    let socket = &hosts("host=/run/pg port=6000 user=u dbname=d")[0];
    assert_eq!((&socket.address, socket.port), (&Address::Unix("/run/pg".into()), 6000));
    let both = &hosts("host=db hostaddr=10.0.0.1 user=u dbname=d")[0];
    let expected = Address::Tcp { host: "db".to_owned(), hostaddr: "10.0.0.1".parse().ok() };
    assert_eq!(both.address, expected);
    assert_eq!(target("postgresql://u@a:1,[::1],/d", &[]).hosts.len(), 3);
    let attrs = target("postgresql://u@a/d?target_session_attrs=prefer-standby", &[]).session_attrs;
    assert_eq!(attrs, SessionAttrs::PreferStandby);
}

#[test]
fn trust_that_is_not_enforced_and_old_schemes_are_said() {
    let resolved = read("host=h user=u dbname=d", &[("PGREQUIREAUTH", "scram-sha-256")]).unwrap();
    assert!(resolved.warnings[0].contains("`require_auth` is not enforced"));
    let url = "postgres://u@h/d";
    let resolved = resolve_sqlalchemy_url(url, "alembic.ini", &environment(&[])).unwrap();
    assert!(resolved.warnings[0].starts_with("alembic.ini begins with `postgres:`"));
    assert!(read(url, &[]).unwrap().warnings.is_empty());
}

#[test]
fn what_libpq_s_programs_get_to_see_is_the_target_and_nothing_else() {
    let string = "host=/run/pg,db hostaddr=,::1 port=1,2 user=u dbname=d password=hunter2 \
                  sslmode=verify-ca sslrootcert=/ca.crt options='-c x=y' connect_timeout=3";
    let environment = target(string, &[]).client_environment().unwrap();
    let value = |name: &str| {
        let found = environment.set.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    for (name, expected) in [
        ("PGHOST", "/run/pg,db"),
        ("PGHOSTADDR", ",::1"),
        ("PGPORT", "1,2"),
        ("PGUSER", "u"),
        ("PGDATABASE", "d"),
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "/ca.crt"),
        ("PGOPTIONS", "-c x=y"),
        ("PGCONNECT_TIMEOUT", "3"),
        ("PGGSSENCMODE", "disable"),
    ] {
        assert_eq!(value(name), Some(expected), "{name}");
    }
    for gone in ["PGSERVICE", "PGPASSWORD", "PGSSLCERT"] {
        assert!(environment.remove.iter().any(|name| name == gone), "{gone}");
    }
    assert!(environment.set.iter().all(|(_, value)| !value.contains("hunter2")));
    let path = environment.passfile().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(environment);
    assert!(!path.exists());
}

#[test]
fn a_passfile_holds_at_most_one_line() {
    let mut target = target("host=h user=u dbname=d", &[]);
    let text = |target: &Target| {
        let environment = target.client_environment().unwrap();
        std::fs::read_to_string(environment.passfile()).unwrap()
    };
    assert_eq!(text(&target), "");
    target.password = Some(crate::secret::Secret::new("two\nlines"));
    assert_eq!(text(&target), "");
    let environment = target.client_environment().unwrap();
    assert!(environment.set.contains(&("PGPASSWORD".to_owned(), "two\nlines".to_owned())));
}

proptest! {
    #[test]
    fn a_password_survives_from_the_url_to_libpq(password in "[^\0\r\n]{1,30}") {
        let url = format!("postgresql://u:{}@h/d", utf8_percent_encode(&password, NON_ALPHANUMERIC));
        for url in [url.clone(), url.replace("postgresql:", "postgresql+asyncpg:")] {
            let target = target(&url, &[]);
            prop_assert_eq!(target.password.as_ref().unwrap().reveal(), &password);
            let environment = target.client_environment().unwrap();
            let Passfile::Usable(text) = pgpass::read(environment.passfile()) else {
                panic!("libpq would not use it");
            };
            let found = pgpass::find(&text, &target.hosts[0], "d", "u").unwrap();
            prop_assert_eq!(found.reveal(), &password);
        }
    }

    #[test]
    fn a_quoted_password_survives_the_key_value_form(password in "[^\0\r\n]{1,30}") {
        let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
        let target = target(&format!("host=h user=u dbname=d password='{quoted}'"), &[]);
        prop_assert_eq!(target.password.as_ref().unwrap().reveal(), &password);
    }

    #[test]
    fn a_bare_password_is_read_whole_or_refused_unseen(password in "[a-z@/:?#%&=]{4,20}xq7") {
        let url = format!("postgresql://u:{password}@h/d");
        match read(&url, &[]) {
            Ok(resolved) => {
                let found = resolved.target.password.unwrap();
                // The host is what follows the password, so nothing of it went astray.
                prop_assert_eq!(resolved.target.hosts[0].to_string(), "h:5432");
                prop_assert!(found.reveal().ends_with("xq7"));
            }
            Err(refusal) => {
                let said = format!("{refusal} {}", refusal.hints().join(" "));
                prop_assert!(!said.contains("xq7"), "{}", said);
            }
        }
    }
}
