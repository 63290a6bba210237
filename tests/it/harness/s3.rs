//! A real server that speaks S3, in a thread of the test, its objects as files in a directory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The bucket that is there.
pub const BUCKET: &str = "kept";
/// Who may use it.
pub const KEY: &str = "AKIATESTKEY";
/// And with what.
pub const SECRET: &str = "s3-hunter2-secret";

/// The server; it ends when this is dropped.
pub struct S3 {
    root: tempfile::TempDir,
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl S3 {
    /// Starts one with an empty bucket.
    pub fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let filesystem = FileSystem::new(root.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(filesystem);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        let (stop, stopped) = oneshot::channel();
        let (say, said) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                say.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, service) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = said.recv().unwrap();
        Self { root, address, running: Some((stop, thread)) }
    }

    /// Ends it with every connection to it, as a crash would.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    /// The URL of a store in its bucket.
    #[allow(clippy::unused_self, reason = "it is a property of the server all the same")]
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}/app")
    }

    /// The variables by which it is reached.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Where the objects of the store are files.
    pub fn directory(&self) -> PathBuf {
        self.root.path().join(BUCKET).join("app")
    }

    /// Parts of uploads that nobody finished or ended.
    pub fn parts(&self) -> Vec<String> {
        let names = super::scene::names(self.root.path());
        names.into_iter().filter(|name| name.starts_with(".upload")).collect()
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(async move {
            // A client that goes away is its own affair.
            let _ = connection.await;
        });
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}
