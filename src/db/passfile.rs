//! The same target for PostgreSQL's own programs: an environment, and a password file that only we
//! can read and that is gone when we are done.

use std::io::{self, Write as _};
use std::path::Path;

use tempfile::TempPath;

use super::pgpass;
use super::target::{Address, RootCert, Target};

/// What `pg_dump` and `pg_restore` get to see; its password file is deleted when this is dropped.
pub struct ClientEnvironment {
    /// Variables to set.
    pub set: Vec<(String, String)>,
    /// Variables to take away, because they would contradict the target.
    pub remove: Vec<String>,
    passfile: TempPath,
}

impl ClientEnvironment {
    /// The password file, for as long as this lives.
    pub fn passfile(&self) -> &Path {
        &self.passfile
    }
}

/// Every variable by which libpq finds a server, chooses whom to trust, or changes what a dump
/// holds; whatever the target does not set is taken away, so that nothing of the user's shell
/// leads `pg_dump` to another place than rowsafe's own session.
const VARIABLES: &[&str] = &[
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGDATABASE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLMODE",
    "PGREQUIRESSL",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLNEGOTIATION",
    "PGCHANNELBINDING",
    "PGTARGETSESSIONATTRS",
    "PGLOADBALANCEHOSTS",
    "PGGSSENCMODE",
    "PGOPTIONS",
    "PGCONNECT_TIMEOUT",
    "PGCLIENTENCODING",
    "PGDATESTYLE",
    "PGTZ",
];

/// Where Linux distributions and macOS keep the certificates that the system trusts.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Target {
    /// The environment in which libpq's programs reach this target and no other.
    pub fn client_environment(&self) -> io::Result<ClientEnvironment> {
        let mut set = self.addresses();
        set.push(pair("PGUSER", &self.user));
        set.push(pair("PGDATABASE", &self.database));
        set.push(pair("PGCHANNELBINDING", self.channel_binding.as_str()));
        set.push(pair("PGTARGETSESSIONATTRS", self.session_attrs.as_str()));
        // rowsafe's own session does not speak GSSAPI, and both shall go the same way.
        set.push(pair("PGGSSENCMODE", "disable"));
        set.extend(self.tls_variables());
        if let Some(options) = &self.options {
            set.push(pair("PGOPTIONS", options));
        }
        set.push(pair("PGCONNECT_TIMEOUT", &self.patience().as_secs().to_string()));
        let password = self.password.as_ref().map_or("", |password| password.reveal());
        let passfile = if password.contains(['\n', '\r']) {
            // A password file has one password a line, so that this one does not fit into any.
            set.push(pair("PGPASSWORD", password));
            write_passfile("")?
        } else {
            write_passfile(password)?
        };
        set.push(pair("PGPASSFILE", &passfile.to_string_lossy()));
        let is_set = |name: &str| set.iter().any(|(known, _)| known == name);
        let remove = VARIABLES.iter().filter(|name| !is_set(name));
        let remove = remove.map(|name| (*name).to_owned()).collect();
        Ok(ClientEnvironment { set, remove, passfile })
    }

    fn addresses(&self) -> Vec<(String, String)> {
        let mut names = Vec::new();
        let mut numbers = Vec::new();
        for host in &self.hosts {
            let (name, number) = match &host.address {
                Address::Tcp { host, hostaddr } => (host.clone(), *hostaddr),
                Address::Unix(directory) => (directory.to_string_lossy().into_owned(), None),
            };
            names.push(name);
            numbers.push(number.map(|number| number.to_string()).unwrap_or_default());
        }
        let ports: Vec<String> = self.hosts.iter().map(|host| host.port.to_string()).collect();
        let mut set = vec![pair("PGHOST", &names.join(",")), pair("PGPORT", &ports.join(","))];
        if numbers.iter().any(|number| !number.is_empty()) {
            set.push(pair("PGHOSTADDR", &numbers.join(",")));
        }
        set
    }

    fn tls_variables(&self) -> Vec<(String, String)> {
        let mut set = vec![pair("PGSSLMODE", self.tls.mode.as_str())];
        match &self.tls.root_cert {
            Some(RootCert::File(path)) => set.push(pair("PGSSLROOTCERT", &path.to_string_lossy())),
            Some(RootCert::System) => {
                // Only libpq 16 and later knows the word; a file is understood by every version.
                let file = SYSTEM_ROOTS.iter().find(|path| Path::new(path).exists());
                set.push(pair("PGSSLROOTCERT", file.unwrap_or(&"system")));
            }
            None => {}
        }
        if let Some((cert, key)) = &self.tls.client_cert {
            set.push(pair("PGSSLCERT", &cert.to_string_lossy()));
            set.push(pair("PGSSLKEY", &key.to_string_lossy()));
        }
        set
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A password file for whatever these programs connect to; empty without a password, so that the
/// user's own is not read in its stead.
fn write_passfile(password: &str) -> io::Result<TempPath> {
    // `tempfile` makes files that only their owner can read (mode 0600), which libpq demands.
    let mut file = tempfile::Builder::new().prefix("rowsafe-pgpass-").tempfile()?;
    if !password.is_empty() {
        writeln!(file, "*:*:*:*:{}", pgpass::escape(password))?;
    }
    Ok(file.into_temp_path())
}
