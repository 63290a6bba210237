//! Servers with TLS, and the certificates for both sides.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use crate::harness::Server;

/// Certificates and keys made by the `openssl` program, where the server's user can read them.
pub struct Pki {
    directory: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("rowsafe-test-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let pki = Self { directory };
        for issuer in ["ca", "other-ca"] {
            pki.self_signed(issuer, &format!("/CN=rowsafe {issuer}"));
        }
        pki.self_signed("self", "/CN=localhost");
        pki.issued("server", "/CN=ignored", Some("subjectAltName=DNS:localhost"));
        pki.issued("v1", "/CN=localhost", None);
        pki.issued("client", "/CN=connect_cert", Some("extendedKeyUsage=clientAuth"));
        for key in ["server", "self", "v1"] {
            pki.give_to_server(key);
        }
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).current_dir(self.directory.path()).output();
        let output = output.unwrap_or_else(|error| panic!("openssl: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn self_signed(&self, name: &str, subject: &str) {
        let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
        let alternative = "subjectAltName=DNS:localhost";
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            subject,
            "-addext",
            alternative,
            "-keyout",
            &key,
            "-out",
            &crt,
        ]);
    }

    fn issued(&self, name: &str, subject: &str, extension: Option<&str>) {
        let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
        let (crt, ext) = (format!("{name}.crt"), format!("{name}.ext"));
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            &key,
            "-out",
            &csr,
        ]);
        let mut args = vec!["x509", "-req", "-in", &csr, "-CA", "ca.crt", "-CAkey", "ca.key"];
        args.extend(["-CAcreateserial", "-days", "2", "-out", &crt]);
        if let Some(extension) = extension {
            fs::write(self.path(&ext), extension).unwrap();
            args.extend(["-extfile", &ext]);
        }
        self.openssl(&args);
    }

    fn give_to_server(&self, name: &str) {
        let key = self.path(&format!("{name}.key"));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            // As scripts/ground.py: PostgreSQL refuses root, and this is who it runs as then.
            chown(&key, Some(65534), Some(65534)).unwrap();
        }
    }

    pub fn server(&self, certificate: &str) -> Arc<Server> {
        let hba = self.path(&format!("{certificate}.hba"));
        let rules = "local all all trust\n\
            hostssl all connect_cert all cert\n\
            hostnossl all connect_tls_only all reject\n\
            hostssl all connect_plain_only all reject\n\
            host all connect_nobody all reject\n\
            host all all all scram-sha-256\n";
        fs::write(&hba, rules).unwrap();
        Server::start(&[
            "ssl=on",
            &format!("ssl_cert_file={}", self.text(&format!("{certificate}.crt"))),
            &format!("ssl_key_file={}", self.text(&format!("{certificate}.key"))),
            &format!("ssl_ca_file={}", self.text("ca.crt")),
            &format!("hba_file={}", hba.display()),
        ])
    }
}

/// What the tests of TLS share, for as long as one of them runs: making it takes longer than any of
/// them, and a static would leave its files behind.
pub fn shared() -> Arc<(Pki, Arc<Server>)> {
    static SHARED: Mutex<Weak<(Pki, Arc<Server>)>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let pki = Pki::new();
        let server = pki.server("server");
        let made = Arc::new((pki, server));
        *shared = Arc::downgrade(&made);
        made
    })
}
