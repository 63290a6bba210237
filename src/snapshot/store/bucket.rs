//! Snapshots in a bucket of an object store: S3 and what speaks like it, Google's, Azure's.
//!
//! Under a snapshot's id stand the archive, its manifest, and until the manifest is there, a mark
//! that it is being written. The manifest is written last and removed first: what has one is
//! complete. Nothing passes a disk on its way.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, MultipartId, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutPayload, RetryConfig,
};
use serde::{Deserialize, Serialize};

use super::location::{BucketUrl, Provider};
use super::transfer::{self, UploadSink};
use super::trouble;
use super::{Damaged, Entry, Manifest, Pump, Reader, Remains, Source, SourceKind, Stored};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::secret::Secret;
use crate::snapshot::manifest;

/// The mark of a snapshot that is being written.
const MARK: &str = "partial.json";

/// What proves that the place can be written before any work is done.
const SIGN: &str = ".rowsafe";

/// How often the mark is written again while an archive is on its way, to tell it from one that
/// was given up.
const SIGN_OF_LIFE: Duration = Duration::from_mins(5);

/// Manifests read at once.
const AT_ONCE: usize = 16;

/// What an object store must be able to do.
pub trait Objects: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> Objects for T {}

/// A part of a bucket.
#[derive(Clone)]
pub struct Bucket {
    url: BucketUrl,
    variables: Arc<Vec<(String, Secret)>>,
    objects: Arc<dyn Objects>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bucket({})", self.url)
    }
}

/// How long to go on trying.
#[derive(Clone, Copy)]
enum Patience {
    /// While somebody waits for a first answer.
    Short,
    /// While hours of work are at stake.
    Long,
}

/// What the mark says: which upload to end when nobody finishes it.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    schema: String,
    started_at: Timestamp,
    upload: Option<(String, MultipartId)>,
}

impl Bucket {
    /// The bucket with this URL, with credentials and options from the provider's own variables.
    pub fn open(url: BucketUrl, environment: &Environment) -> Result<Self, Refusal> {
        let ours = match url.provider {
            Provider::S3 => "AWS_",
            Provider::Gcs => "GOOGLE_",
            Provider::Azure => "AZURE_",
        };
        let variables = environment.iter().filter(|(name, _)| name.starts_with(ours));
        let variables = variables.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        let variables: Arc<Vec<_>> = Arc::new(variables.collect());
        let objects = connect(&url, &variables, Patience::Long).map_err(|error| {
            trouble::refusal(Exit::NoAnswer, &url, "the snapshot store can't be used", &error)
        })?;
        Ok(Self { url, variables, objects })
    }

    pub fn url(&self) -> &BucketUrl {
        &self.url
    }

    /// The same with a client of its own, which gives up early.
    fn hasty(&self) -> Result<Self, Error> {
        let objects = connect(&self.url, &self.variables, Patience::Short)?;
        Ok(Self { objects, ..self.clone() })
    }

    fn path(&self, parts: &[&str]) -> Path {
        let prefix = self.url.prefix.split('/').filter(|part| !part.is_empty());
        prefix.chain(parts.iter().copied()).collect()
    }

    fn location(&self, id: &str) -> String {
        format!("{}/{id}", self.url)
    }

    fn refuse(&self, exit: Exit, what: &str, error: &Error) -> Refusal {
        trouble::refusal(exit, &self.url, what, error)
    }

    /// Lists and writes something small, so that a bad place fails before any work.
    pub async fn prepare(&self) -> Result<(), Refusal> {
        let prepared = async {
            let objects = self.hasty()?.objects;
            objects.list(Some(&self.path(&[]))).next().await.transpose()?;
            let sign = PutPayload::from_static(b"rowsafe keeps snapshots here\n");
            objects.put(&self.path(&[SIGN]), sign).await
        };
        let failed = |error| {
            self.refuse(Exit::SnapshotFailed, "the snapshot store can't be written", &error)
        };
        prepared.await.map(drop).map_err(failed)
    }

    /// Starts a snapshot.
    pub async fn begin(&self, id: &str) -> Result<Partial, Refusal> {
        let partial = Partial {
            bucket: self.clone(),
            id: id.to_owned(),
            upload: Mutex::new(None),
            is_published: false,
        };
        partial.mark(None).await.map_err(|error| self.unwritable(&error))?;
        Ok(partial)
    }

    fn unwritable(&self, error: &Error) -> Refusal {
        self.refuse(Exit::SnapshotFailed, "the snapshot can't be written", error)
    }

    /// Everything that is there, in no order.
    pub async fn entries(&self) -> Result<Vec<Entry>, Refusal> {
        let failed =
            |error: Error| self.refuse(Exit::NoAnswer, "the snapshots can't be listed", &error);
        let prefix = self.path(&[]);
        let mut found: BTreeMap<String, BTreeMap<String, ObjectMeta>> = BTreeMap::new();
        let mut listing = self.objects.list(Some(&prefix));
        while let Some(object) = listing.try_next().await.map_err(failed)? {
            let Some(rest) = object.location.prefix_match(&prefix) else { continue };
            let parts: Vec<String> = rest.map(|part| part.as_ref().to_owned()).collect();
            if let [id, file] = parts.as_slice() {
                found.entry(id.clone()).or_default().insert(file.clone(), object);
            }
        }
        let entries = stream::iter(found).map(|(id, files)| self.entry(id, files));
        let entries: Vec<Option<Entry>> =
            entries.buffer_unordered(AT_ONCE).try_collect().await.map_err(failed)?;
        Ok(entries.into_iter().flatten().collect())
    }

    /// What stands under an id; nothing when it was removed meanwhile.
    async fn entry(
        &self,
        id: String,
        files: BTreeMap<String, ObjectMeta>,
    ) -> Result<Option<Entry>, Error> {
        let remains = self.remains(&id, &files);
        if !files.contains_key(manifest::FILE) {
            return Ok(Some(Entry::HalfWritten(remains)));
        }
        let path = self.path(&[&id, manifest::FILE]);
        let text = match self.objects.get(&path).await {
            Ok(got) => String::from_utf8_lossy(&got.bytes().await?).into_owned(),
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let location = self.location(&id);
        let place = format!("{location}/{}", manifest::FILE);
        let manifest = match Manifest::parse(Ok(text), &place) {
            Ok(manifest) => manifest,
            Err(why) => {
                return Ok(Some(Entry::Damaged(Damaged { remains, created_at: None, why })));
            }
        };
        let archive = self.path(&[&id, &manifest.archive.file]);
        let mut bytes = files.get(&manifest.archive.file).map(|object| object.size);
        if !manifest.archive.is_none() && bytes != Some(manifest.archive.bytes) {
            // The listing may have passed by before it was written.
            bytes = match self.objects.head(&archive).await {
                Ok(object) => Some(object.size),
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        if let Some(why) = manifest.objection(&id, bytes) {
            let created_at = Some(manifest.created_at);
            return Ok(Some(Entry::Damaged(Damaged { remains, created_at, why })));
        }
        let archive = self.source(archive, manifest.archive.bytes);
        Ok(Some(Entry::Complete(Box::new(Stored { location, archive, manifest }))))
    }

    fn remains(&self, id: &str, files: &BTreeMap<String, ObjectMeta>) -> Remains {
        let times = files.values().map(|object| object.last_modified.timestamp_millis());
        let since = times.max().and_then(|time| Timestamp::from_millisecond(time).ok());
        Remains {
            id: id.to_owned(),
            location: self.location(id),
            since: since.unwrap_or(Timestamp::UNIX_EPOCH),
            bytes: files.values().map(|object| object.size).sum(),
        }
    }

    /// Removes what stands under an id, the manifest first; `false` where there is nothing.
    pub async fn remove(&self, id: &str) -> Result<bool, Refusal> {
        let what = format!("snapshot {id} can't be removed");
        self.discard(id).await.map_err(|error| self.refuse(Exit::NoAnswer, &what, &error))
    }

    async fn discard(&self, id: &str) -> Result<bool, Error> {
        let prefix = self.path(&[id]);
        let listed: Vec<ObjectMeta> = self.objects.list(Some(&prefix)).try_collect().await?;
        let mark = self.path(&[id, MARK]);
        let manifest = self.path(&[id, manifest::FILE]);
        let mut paths: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
        paths.sort_by_key(|path| (*path != manifest, *path == mark));
        for path in &paths {
            if *path == mark {
                self.abort(&mark, id).await?;
            }
            gone_is_fine(self.objects.delete(path).await)?;
        }
        Ok(!paths.is_empty())
    }

    /// Ends the upload that the mark speaks of: its parts cost money until then.
    async fn abort(&self, mark: &Path, id: &str) -> Result<(), Error> {
        let text = match self.objects.get(mark).await {
            Ok(got) => got.bytes().await?,
            Err(Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Ok(Mark { upload: Some((file, upload)), .. }) = serde_json::from_slice(&text) else {
            return Ok(());
        };
        // It has ended, when the archive is complete; each server says that in words of its own.
        if let Err(error) = self.objects.abort_multipart(&self.path(&[id, &file]), &upload).await {
            tracing::debug!("an upload that was to be ended: {error}");
        }
        Ok(())
    }

    fn source(&self, path: Path, bytes: u64) -> Source {
        Source { kind: SourceKind::Object { bucket: self.clone(), path, bytes }, keys: None }
    }

    /// Where an object is, for people.
    pub fn object(&self, path: &Path) -> String {
        let shown = BucketUrl { prefix: path.to_string(), ..self.url.clone() };
        shown.to_string()
    }

    /// Opens an object of this size.
    pub fn read(&self, path: &Path, bytes: u64) -> (Reader, Pump) {
        let bucket = self.clone();
        let refuse =
            move |error: &Error| bucket.refuse(Exit::NoAnswer, "the archive can't be read", error);
        let (reader, pump) =
            transfer::download(Arc::clone(&self.objects), path.clone(), bytes, refuse);
        let pump = async {
            pump.await;
            Ok(())
        };
        (reader, Box::pin(pump))
    }
}

fn gone_is_fine(done: Result<(), Error>) -> Result<(), Error> {
    done.or_else(|error| match error {
        Error::NotFound { .. } => Ok(()),
        error => Err(error),
    })
}

/// A snapshot that is being written.
#[derive(Debug)]
pub struct Partial {
    bucket: Bucket,
    id: String,
    upload: Mutex<Option<(String, MultipartId)>>,
    is_published: bool,
}

impl Partial {
    pub fn location(&self) -> String {
        self.bucket.location(&self.id)
    }

    pub fn place(&self) -> String {
        self.bucket.url.to_string()
    }

    async fn mark(&self, upload: Option<&(String, MultipartId)>) -> Result<(), Error> {
        put_mark(&self.bucket, &self.id, upload).await
    }

    /// A sink for about so many bytes, and what uploads them.
    pub async fn writer(&self, name: &str, expected: u64) -> Result<(UploadSink, Pump), Refusal> {
        let failed = |error: Error| self.bucket.unwritable(&error);
        let path = self.bucket.path(&[&self.id, name]);
        let upload = self.bucket.objects.create_multipart(&path).await.map_err(failed)?;
        let named = (name.to_owned(), upload.clone());
        *self.upload.lock().expect("nobody panics while holding it") = Some(named.clone());
        self.mark(Some(&named)).await.map_err(failed)?;
        let (sink, uploading) = transfer::upload(expected);
        let (bucket, id) = (self.bucket.clone(), self.id.clone());
        let pump = async move {
            let uploading = uploading.run(Arc::clone(&bucket.objects), path, upload);
            let alive = async {
                loop {
                    tokio::time::sleep(SIGN_OF_LIFE).await;
                    // The upload itself will say what is wrong.
                    let _ = put_mark(&bucket, &id, Some(&named)).await;
                }
            };
            tokio::select! {
                done = uploading => done.map(drop).map_err(|error| bucket.unwritable(&error)),
                () = alive => Ok(()),
            }
        };
        Ok((sink, Box::pin(pump)))
    }

    pub fn archive(&self, name: &str, bytes: u64) -> Source {
        self.bucket.source(self.bucket.path(&[&self.id, name]), bytes)
    }

    /// Writes the manifest: from now on the snapshot is there.
    pub async fn publish(mut self, manifest: &Manifest) -> Result<String, Refusal> {
        let path = self.bucket.path(&[&self.id, manifest::FILE]);
        let text = PutPayload::from(manifest.to_text());
        let put = self.bucket.objects.put(&path, text).await;
        put.map_err(|error| self.bucket.unwritable(&error))?;
        self.is_published = true;
        // A mark beside a manifest means nothing; it may be a place where nothing is deleted.
        let _ = self.bucket.objects.delete(&self.bucket.path(&[&self.id, MARK])).await;
        Ok(self.location())
    }
}

async fn put_mark(
    bucket: &Bucket,
    id: &str,
    upload: Option<&(String, MultipartId)>,
) -> Result<(), Error> {
    let mark = Mark {
        schema: "rowsafe.partial/1".to_owned(),
        started_at: Timestamp::now(),
        upload: upload.cloned(),
    };
    let text = serde_json::to_string(&mark).expect("a mark has only string keys");
    bucket.objects.put(&bucket.path(&[id, MARK]), PutPayload::from(text)).await.map(drop)
}

impl Drop for Partial {
    /// What was uploaded goes. The runtime at hand may be ending, and connections with it: this
    /// takes both anew.
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        let (bucket, id) = (self.bucket.clone(), self.id.clone());
        let upload = self.upload.lock().map(|mut upload| upload.take()).unwrap_or_default();
        let discarding = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let discard = async {
                let bucket = bucket.hasty()?;
                if let Some((file, upload)) = upload {
                    let path = bucket.path(&[&id, &file]);
                    if let Err(error) = bucket.objects.abort_multipart(&path, &upload).await {
                        tracing::debug!("the upload has ended already: {error}");
                    }
                }
                bucket.discard(&id).await
            };
            let limited = async { tokio::time::timeout(Duration::from_secs(15), discard).await };
            match runtime.map(|runtime| runtime.block_on(limited)) {
                Ok(Ok(Ok(_))) => {}
                // Its mark keeps it from being offered, and prune removes it.
                other => tracing::debug!("what is half-written stays: {other:?}"),
            }
        });
        let _ = discarding.join();
    }
}

/// A client for the bucket, with the provider's own variables.
fn connect(
    url: &BucketUrl,
    variables: &[(String, Secret)],
    patience: Patience,
) -> Result<Arc<dyn Objects>, Error> {
    // reqwest asks for the process's choice; that it was made before is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (retry, timeout) = patience.limits();
    let options =
        ClientOptions::new().with_connect_timeout(Duration::from_secs(10)).with_timeout(timeout);
    Ok(match url.provider {
        Provider::S3 => {
            let builder = AmazonS3Builder::new().with_client_options(options).with_retry(retry);
            let set = |builder: AmazonS3Builder, key: AmazonS3ConfigKey, value: &str| {
                builder.with_config(key, value)
            };
            Arc::new(configure(builder, variables, set).with_bucket_name(&url.bucket).build()?)
        }
        Provider::Gcs => {
            let builder =
                GoogleCloudStorageBuilder::new().with_client_options(options).with_retry(retry);
            let set = |builder: GoogleCloudStorageBuilder, key: GoogleConfigKey, value: &str| {
                builder.with_config(key, value)
            };
            Arc::new(configure(builder, variables, set).with_bucket_name(&url.bucket).build()?)
        }
        Provider::Azure => {
            let builder =
                MicrosoftAzureBuilder::new().with_client_options(options).with_retry(retry);
            let set = |builder: MicrosoftAzureBuilder, key: AzureConfigKey, value: &str| {
                builder.with_config(key, value)
            };
            Arc::new(configure(builder, variables, set).with_container_name(&url.bucket).build()?)
        }
    })
}

/// Hands every variable that is known to the builder.
fn configure<B, K: FromStr>(
    builder: B,
    variables: &[(String, Secret)],
    set: impl Fn(B, K, &str) -> B,
) -> B {
    variables.iter().fold(builder, |builder, (name, value)| {
        match name.to_ascii_lowercase().parse::<K>() {
            Ok(key) => set(builder, key, value.reveal()),
            Err(_) => builder,
        }
    })
}

impl Patience {
    fn limits(self) -> (RetryConfig, Duration) {
        let (max_retries, seconds, timeout) = match self {
            Self::Short => (2, 15, 15),
            Self::Long => (10, 180, 300),
        };
        let retry_timeout = Duration::from_secs(seconds);
        let backoff = BackoffConfig::default();
        (RetryConfig { backoff, max_retries, retry_timeout }, Duration::from_secs(timeout))
    }
}
