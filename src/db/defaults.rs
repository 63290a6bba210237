//! What libpq takes when nobody says anything: the operating system's user, the socket directory,
//! the files under `~/.postgresql`.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// The name of the user that runs this process, as libpq finds it.
///
/// Users that only a directory service knows are not in `/etc/passwd`; for them `USER` is taken.
pub fn user(environment: &Environment) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id = rustix::process::geteuid().as_raw();
    passwd_field(&passwd, id, 0)
        .or_else(|| environment.get("USER").map(ToOwned::to_owned))
        .or_else(|| environment.get("LOGNAME").map(ToOwned::to_owned))
}

/// A file in the user's home directory.
pub fn home_file(environment: &Environment, name: &str) -> Option<PathBuf> {
    let home = environment.home().or_else(|| {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        passwd_field(&passwd, rustix::process::geteuid().as_raw(), 5).map(PathBuf::from)
    })?;
    Some(home.join(name))
}

/// The same, only when it is there.
pub fn existing_home_file(environment: &Environment, name: &str) -> Option<PathBuf> {
    home_file(environment, name).filter(|path| path.exists())
}

/// The directories in which libpq looks for a server's socket: Debian's and PostgreSQL's own.
pub const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The directory that holds the server's socket; without a socket, the one libpq would try.
pub fn socket_directory(port: u16) -> PathBuf {
    let directories = SOCKET_DIRECTORIES.map(Path::new);
    let with_socket = directories.iter().find(|d| d.join(format!(".s.PGSQL.{port}")).exists());
    let existing = || directories.iter().find(|directory| directory.is_dir());
    with_socket.or_else(existing).unwrap_or(&directories[1]).to_path_buf()
}

fn passwd_field(passwd: &str, id: u32, field: usize) -> Option<String> {
    let id = id.to_string();
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_ours = fields.get(2) == Some(&id.as_str());
        fields.get(field).filter(|value| is_ours && !value.is_empty()).map(|v| (*v).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::passwd_field;

    #[test]
    fn the_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
        assert_eq!(passwd_field(passwd, 1000, 0).as_deref(), Some("app"));
        assert_eq!(passwd_field(passwd, 1000, 5).as_deref(), Some("/home/app"));
        assert_eq!(passwd_field(passwd, 1000, 4), None);
        assert_eq!(passwd_field(passwd, 7, 0), None);
    }
}
