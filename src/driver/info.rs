//! What `pgbackrest info --output=json` says of a stanza.

use serde::Deserialize;

/// A stanza.
#[derive(Debug, Deserialize)]
pub struct Stanza {
    name: String,
    #[serde(default)]
    archive: Vec<Archive>,
    #[serde(default)]
    backup: Vec<Backup>,
    #[serde(default)]
    db: Vec<Cluster>,
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    code: u32,
    message: String,
}

/// Where the WAL of one cluster is kept.
#[derive(Debug, Deserialize)]
struct Archive {
    database: Of,
    id: String,
}

/// Which cluster of the stanza, in which repository.
#[derive(Debug, Deserialize)]
struct Of {
    id: u32,
    #[serde(rename = "repo-key", default = "first")]
    repo: u32,
}

/// A cluster that the stanza is or was of.
#[derive(Debug, Deserialize)]
struct Cluster {
    id: u32,
    #[serde(rename = "repo-key", default = "first")]
    repo: u32,
    #[serde(rename = "system-id")]
    system: u64,
}

/// A backup.
#[derive(Debug, Deserialize)]
struct Backup {
    database: Of,
    #[serde(default)]
    error: Option<bool>,
    label: String,
    timestamp: Times,
}

#[derive(Debug, Deserialize)]
struct Times {
    stop: i64,
}

/// The last good backup of a cluster, and where its WAL is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The backup's label.
    pub backup: String,
    /// When it ended.
    pub ended: jiff::Timestamp,
    /// The label of a later one that has errors.
    pub damaged: Option<String>,
    /// The WAL's directory in each repository: the repository's key and the archive's id.
    pub archives: Vec<(u32, String)>,
}

const fn first() -> u32 {
    1
}

/// What the answer says of this stanza and this cluster; an error is one sentence.
pub fn health(json: &str, stanza: &str, system: Option<u64>) -> Result<Health, String> {
    let stanzas: Vec<Stanza> = serde_json::from_str(json)
        .map_err(|error| format!("what `pgbackrest info` says can't be read: {error}"))?;
    let found = stanzas.into_iter().find(|found| found.name == stanza);
    let found = found.ok_or_else(|| format!("pgBackRest knows no stanza `{stanza}`"))?;
    let is_here = |of: &Of| found.db.iter().any(|db| db.of(of, system, &found.db));
    let mut backups: Vec<&Backup> =
        found.backup.iter().filter(|backup| is_here(&backup.database)).collect();
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.timestamp.stop));
    if !found.db.is_empty() && !found.db.iter().any(|db| system.is_none_or(|id| id == db.system)) {
        return Err(format!("stanza `{stanza}` is of another server than the one to be migrated"));
    }
    let is_good = |backup: &&&Backup| backup.error != Some(true);
    let Some(good) = backups.iter().find(is_good) else {
        let why = if found.status.code == 0 || !backups.is_empty() {
            "no backup of this server without errors"
        } else {
            &found.status.message
        };
        return Err(format!("stanza `{stanza}` has no backup to start from: {why}"));
    };
    let archives = found.archive.iter().filter(|archive| is_here(&archive.database));
    Ok(Health {
        backup: good.label.clone(),
        ended: jiff::Timestamp::from_second(good.timestamp.stop)
            .map_err(|_| format!("when backup {} ended can't be read", good.label))?,
        damaged: backups.first().filter(|last| !is_good(last)).map(|last| last.label.clone()),
        archives: archives.map(|archive| (archive.database.repo, archive.id.clone())).collect(),
    })
}

impl Cluster {
    /// Whether it is the one meant here: that with the system identifier, or the newest where the
    /// role may not read that.
    fn of(&self, of: &Of, system: Option<u64>, all: &[Self]) -> bool {
        let newest = all.iter().filter(|db| db.repo == self.repo).map(|db| db.id).max();
        let is_meant = match system {
            Some(system) => self.system == system,
            None => Some(self.id) == newest,
        };
        is_meant && self.id == of.id && self.repo == of.repo
    }
}

#[cfg(test)]
mod tests {
    use super::health;

    /// As pgBackRest 2.45 says it: an old cluster before an upgrade, two repositories, a last
    /// backup with errors.
    const SAID: &str = r#"[{"name":"shop","status":{"code":0,"message":"ok","lock":{}},
      "repo":[{"key":1,"cipher":"none","status":{"code":0,"message":"ok"}}],
      "db":[{"id":1,"repo-key":1,"system-id":7,"version":"13"},
            {"id":2,"repo-key":1,"system-id":9223372036854775809,"version":"15"},
            {"id":1,"repo-key":2,"system-id":9223372036854775809,"version":"15"}],
      "archive":[{"database":{"id":1,"repo-key":1},"id":"13-1","max":"0","min":"0"},
                 {"database":{"id":2,"repo-key":1},"id":"15-2","max":"0","min":"0"},
                 {"database":{"id":1,"repo-key":2},"id":"15-1","max":null,"min":null}],
      "backup":[{"database":{"id":1,"repo-key":1},"error":false,"label":"old","timestamp":{"start":1,"stop":9000}},
                {"database":{"id":2,"repo-key":1},"error":false,"label":"good","timestamp":{"start":1,"stop":200}},
                {"database":{"id":1,"repo-key":2},"error":null,"label":"earlier","timestamp":{"start":1,"stop":100}},
                {"database":{"id":2,"repo-key":1},"error":true,"label":"torn","timestamp":{"start":1,"stop":300}}]}]"#;

    const HERE: u64 = 9_223_372_036_854_775_809;

    #[test]
    fn the_last_good_backup_of_this_server_counts() {
        let found = health(SAID, "shop", Some(HERE)).unwrap();
        assert_eq!((found.backup.as_str(), found.ended.as_second()), ("good", 200));
        assert_eq!(found.damaged.as_deref(), Some("torn"));
        assert_eq!(found.archives, [(1, "15-2".to_owned()), (2, "15-1".to_owned())]);
        // Who may not read the identifier takes the newest cluster of each repository.
        assert_eq!(health(SAID, "shop", None).unwrap(), found);
        assert_eq!(health(SAID, "shop", Some(7)).unwrap().backup, "old");
    }

    #[test]
    fn what_is_not_there_or_not_of_this_server_is_refused() {
        let refused = |json: &str, system| health(json, "shop", system).unwrap_err();
        assert!(refused(SAID, Some(8)).contains("is of another server"));
        assert!(health(SAID, "other", None).unwrap_err().contains("knows no stanza `other`"));
        assert!(refused("[]", None).contains("knows no stanza"));
        assert!(refused("WARN: what", None).contains("can't be read"));
        let none = r#"[{"name":"shop","status":{"code":2,"message":"no valid backups"},
            "db":[{"id":1,"repo-key":1,"system-id":7}],"backup":[],"archive":[]}]"#;
        assert!(refused(none, Some(7)).ends_with("no backup to start from: no valid backups"));
        let torn = SAID.replace("\"error\":false", "\"error\":true");
        let torn = torn.replace("\"error\":null", "\"error\":true");
        assert!(refused(&torn, Some(HERE)).contains("without errors"));
    }
}
