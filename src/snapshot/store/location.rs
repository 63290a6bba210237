//! Where a store is, as it is written: a path, `file:///…`, `s3://…`, `gs://…` or `az://…`.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where snapshots are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A bucket of an object store.
    Bucket(BucketUrl),
}

/// A part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    /// Whose bucket it is.
    pub provider: Provider,
    /// The bucket; on Azure the container.
    pub bucket: String,
    /// What the names of all its objects begin with, without slashes around it; may be empty.
    pub prefix: String,
}

/// Who keeps the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3 and whatever speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl Location {
    /// Reads a path or URL; a relative path is taken from `base`.
    pub fn parse(text: &Path, base: &Path) -> Result<Self, String> {
        let Some((scheme, rest)) = text.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(Self::Directory(base.join(text)));
        };
        let provider = match scheme {
            "file" if rest.starts_with('/') => return Ok(Self::Directory(PathBuf::from(rest))),
            "file" => return Err("a file URL has three slashes: file:///PATH".to_owned()),
            "s3" => Provider::S3,
            "gs" => Provider::Gcs,
            "az" => Provider::Azure,
            _ => {
                let known = "a path, s3://, gs://, az:// or file:///";
                return Err(format!("`{scheme}://` is no place for snapshots; there is {known}"));
            }
        };
        // What is wrong with it may be a secret, and is not repeated.
        if rest.contains(['@', '?', '#', ':']) {
            return Err(format!(
                "write {scheme}://BUCKET/PREFIX alone: credentials and options come from the environment"
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("`{scheme}://` names no bucket: {scheme}://BUCKET/PREFIX"));
        }
        let prefix = prefix.trim_matches('/');
        let is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
        if !prefix.is_empty() && prefix.split('/').any(is_odd) {
            return Err(format!("`{prefix}` is no prefix: a part of it is empty, `.` or `..`"));
        }
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        Ok(Self::Bucket(BucketUrl { provider, bucket, prefix }))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(formatter, "{}", path.display()),
            Self::Bucket(url) => write!(formatter, "{url}"),
        }
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.provider {
            Provider::S3 => "s3",
            Provider::Gcs => "gs",
            Provider::Azure => "az",
        };
        write!(formatter, "{scheme}://{}", self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(formatter, "/{}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Location;

    fn read(text: &str) -> Result<String, String> {
        Location::parse(Path::new(text), Path::new("/base")).map(|location| location.to_string())
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        for (text, expected) in [
            ("kept", "/base/kept"),
            ("/kept", "/kept"),
            ("file:///kept", "/kept"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("gs://bucket/a/b/", "gs://bucket/a/b"),
            ("az://container/a", "az://container/a"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused_and_no_secret_repeated() {
        for text in [
            "ftp://host/x",
            "file://x",
            "s3://",
            "s3:///x",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://key:hunter2@bucket/a",
            "az://container/a?sig=hunter2",
        ] {
            let refused = read(text).expect_err(text);
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
