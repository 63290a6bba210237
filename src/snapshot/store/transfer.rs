//! Bytes between a thread that blocks and an object store: in parts, several on their way at once,
//! none of it on a disk.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::FuturesOrdered;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, MultipartId, PutPayload};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::bucket::Objects;
use crate::hint::Refusal;

/// Parts on their way at once, up or down.
const AT_ONCE: usize = 3;

/// The smallest part: above the 5 MiB that S3 asks for, and few requests for small dumps.
const PART: u64 = 8 << 20;

/// Parts that a dump of the expected size is cut into at most; S3 takes 10,000.
const PARTS: u64 = 4_000;

/// The bytes read at a time.
const RANGE: u64 = 8 << 20;

/// What travels to an upload.
#[derive(Debug)]
enum Piece {
    Part(Bytes),
    /// Everything was sent.
    End,
}

/// Where a thread writes what is uploaded.
pub struct UploadSink {
    pieces: Sender<Piece>,
    part: BytesMut,
    part_bytes: usize,
}

/// The other end of it.
pub struct Upload {
    pieces: Receiver<Piece>,
}

/// A sink for about so many bytes, and what uploads them.
pub fn upload(expected: u64) -> (UploadSink, Upload) {
    let (sender, pieces) = channel(1);
    let part = PART.max((expected / PARTS).next_multiple_of(1 << 20));
    let part_bytes = usize::try_from(part).unwrap_or(usize::MAX);
    (UploadSink { pieces: sender, part: BytesMut::new(), part_bytes }, Upload { pieces })
}

impl UploadSink {
    fn send(&self, piece: Piece) -> io::Result<()> {
        // The other end is gone when the upload failed, and says why itself.
        self.pieces.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Says that this was all.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.part.is_empty() {
            let last = self.part.split().freeze();
            self.send(Piece::Part(last))?;
        }
        self.send(Piece::End)
    }
}

impl Write for UploadSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(self.part_bytes - self.part.len());
        self.part.extend_from_slice(&bytes[..length]);
        if self.part.len() == self.part_bytes {
            let part = std::mem::take(&mut self.part).freeze();
            self.send(Piece::Part(part))?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload {
    /// Uploads what comes; `false` when it ended before everything was sent: nothing is there then.
    pub async fn run(
        mut self,
        objects: Arc<dyn Objects>,
        path: Path,
        id: MultipartId,
    ) -> Result<bool, Error> {
        let mut going = FuturesOrdered::new();
        let mut parts = Vec::new();
        let mut index = 0;
        let is_whole = loop {
            tokio::select! {
                Some(part) = going.next(), if !going.is_empty() => parts.push(part?),
                piece = self.pieces.recv(), if going.len() < AT_ONCE => match piece {
                    Some(Piece::Part(part)) => {
                        let part = PutPayload::from_bytes(part);
                        going.push_back(objects.put_part(&path, &id, index, part));
                        index += 1;
                    }
                    Some(Piece::End) => break true,
                    None => break false,
                },
            }
        };
        while let Some(part) = going.next().await {
            parts.push(part?);
        }
        drop(going);
        if is_whole {
            objects.complete_multipart(&path, &id, parts).await?;
        }
        Ok(is_whole)
    }
}

/// Where a thread reads what is downloaded.
struct DownloadReader {
    pieces: Receiver<Result<Bytes, Refusal>>,
    piece: Bytes,
}

/// A reader of an object of this size, and what has to be awaited beside it.
pub fn download(
    objects: Arc<dyn Objects>,
    path: Path,
    bytes: u64,
    refuse: impl Fn(&Error) -> Refusal + Send + 'static,
) -> (Box<dyn Read + Send>, impl Future<Output = ()> + Send) {
    let (sender, pieces) = channel(1);
    let pump = async move {
        let starts = (0..bytes.div_ceil(RANGE)).map(|index| index * RANGE);
        let (from, at) = (&objects, &path);
        let gets =
            stream::iter(starts).map(|start| get(from, at, start..(start + RANGE).min(bytes)));
        let mut gets = Box::pin(gets.buffered(AT_ONCE));
        while let Some(got) = gets.next().await {
            let is_last = got.is_err();
            // Nobody reads on: that is the reader's affair.
            if sender.send(got.map_err(|error| refuse(&error))).await.is_err() || is_last {
                break;
            }
        }
    };
    (Box::new(DownloadReader { pieces, piece: Bytes::new() }), pump)
}

async fn get(
    objects: &Arc<dyn Objects>,
    path: &Path,
    range: std::ops::Range<u64>,
) -> Result<Bytes, Error> {
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    objects.get_opts(path, options).await?.bytes().await
}

impl Read for DownloadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
