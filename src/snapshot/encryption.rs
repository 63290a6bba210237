//! Archives encrypted at rest, in the format of `age` (age-encryption.org/v1).
//!
//! Who keeps snapshots needs recipients alone, which are no secret. To read an archive back right
//! after it was written, as every snapshot is, each one is also encrypted to a witness: a key that
//! this process made, holds in memory, and takes with it. So the stored bytes are what is verified,
//! and afterwards only the recipients' identities open them.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use age::stream::StreamWriter;
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor, IdentityFile};

use super::manifest::Encryption;
use crate::exit::Exit;
use crate::hint::Refusal;

/// The format, as its specification calls itself.
const FORMAT: &str = "age-encryption.org/v1";

/// Whom archives are encrypted to, and what opens them.
#[derive(Clone, Default)]
pub struct Keys {
    recipients: Vec<String>,
    identity: Option<PathBuf>,
    witness: Option<Arc<Identity>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.recipients.join(" "))
    }
}

/// Reads a recipient, such as `age1…`; what is refused is not repeated, it may be a secret.
fn recipient(text: &str) -> Result<String, String> {
    if text.starts_with("AGE-SECRET-KEY-") {
        return Err(
            "that is an identity, which is secret; the recipient to it begins with `age1`: \
                    age-keygen -y FILE"
                .to_owned(),
        );
    }
    match Recipient::from_str(text) {
        Ok(recipient) => Ok(recipient.to_string()),
        Err(_) => Err("it is no recipient of age: one begins with `age1`".to_owned()),
    }
}

impl Keys {
    /// Recipients such as `age1…`, and the file with the identities that open archives. Refuses what
    /// is no recipient without repeating it.
    pub fn new(recipients: &[String], identity: Option<PathBuf>) -> Result<Self, String> {
        let read = recipients.iter().map(|text| recipient(text));
        let recipients: Vec<String> = read.collect::<Result<_, _>>()?;
        let witness = (!recipients.is_empty()).then(|| Arc::new(Identity::generate()));
        Ok(Self { recipients, identity, witness })
    }

    /// What a manifest says of an archive that they encrypt; `None` when they encrypt none.
    pub fn encryption(&self) -> Option<Encryption> {
        (!self.recipients.is_empty())
            .then(|| Encryption { format: FORMAT.to_owned(), recipients: self.recipients.clone() })
    }

    /// A writer that encrypts into another one; it has to be finished.
    pub fn encrypt<W: Write>(&self, output: W) -> io::Result<StreamWriter<W>> {
        let read = |text: &String| Recipient::from_str(text).map_err(io::Error::other);
        let mut recipients =
            self.recipients.iter().map(read).collect::<Result<Vec<_>, io::Error>>()?;
        recipients.extend(self.witness.as_ref().map(|witness| witness.to_public()));
        let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(output)
    }

    /// A reader of what an encrypted one holds.
    pub fn decrypt<'a, R: Read + 'a>(&self, input: R) -> io::Result<Box<dyn Read + 'a>> {
        let damaged = |error: DecryptError| match error {
            DecryptError::Io(error) => error,
            error => io::Error::other(error),
        };
        let decryptor = Decryptor::new(input).map_err(damaged)?;
        let identities = self.identities().map_err(io::Error::other)?;
        let witness = self.witness.iter().map(|witness| witness.as_ref() as &dyn age::Identity);
        let held = identities.iter().map(|identity| identity.as_ref() as &dyn age::Identity);
        match decryptor.decrypt(witness.chain(held)) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(DecryptError::NoMatchingKeys) => Err(io::Error::other(self.no_key())),
            Err(error) => Err(damaged(error)),
        }
    }

    fn no_key(&self) -> Refusal {
        let message = match &self.identity {
            None => "the snapshot is encrypted, and no identity is at hand".to_owned(),
            Some(path) => {
                format!(
                    "the snapshot is encrypted, and no identity in `{}` opens it",
                    path.display()
                )
            }
        };
        Refusal::new(Exit::NoAnswer, message)
            .hint("name the file with the identity: --identity PATH, or ROWSAFE_IDENTITY")
            .hint("the manifest says whom it is for: archive, encryption, recipients")
    }

    fn identities(&self) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, Refusal> {
        let Some(path) = &self.identity else { return Ok(Vec::new()) };
        // What is in the file is secret: an error says where it is wrong, never what is there.
        let refused = |why: String| {
            let message = format!("the identity file `{}` {why}", path.display());
            Refusal::new(Exit::NoAnswer, message)
                .hint("age-keygen -o FILE makes one; one with a passphrase has to be opened first")
        };
        let file = std::fs::File::open(path)
            .map_err(|error| refused(format!("can't be read: {error}")))?;
        let file = IdentityFile::from_buffer(BufReader::new(file))
            .map_err(|_| refused("holds no identity of age".to_owned()))?;
        file.into_identities()
            .map_err(|_| refused("holds an identity that can't be used".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use age::secrecy::ExposeSecret as _;
    use age::x25519::Identity;

    use super::{Keys, recipient};

    fn sealed(keys: &Keys, text: &[u8]) -> Vec<u8> {
        let mut writer = keys.encrypt(Vec::new()).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn opened(keys: &Keys, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        keys.decrypt(bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn who_wrote_it_reads_it_back_and_later_only_the_recipient() {
        let identity = Identity::generate();
        let public = identity.to_public().to_string();
        let writer = Keys::new(std::slice::from_ref(&public), None).unwrap();
        let bytes = sealed(&writer, b"rows");
        assert_eq!(opened(&writer, &bytes).unwrap(), b"rows");
        // The same recipients in another process hold another witness.
        let stranger = opened(&Keys::new(&[public], None).unwrap(), &bytes).unwrap_err();
        assert!(stranger.to_string().contains("no identity is at hand"), "{stranger}");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.txt");
        let write = |text: &str| crate::text::write_atomically(&file, text.as_bytes()).unwrap();
        write(&format!("# mine\n{}\n", identity.to_string().expose_secret()));
        let owner = Keys::new(&[], Some(file.clone())).unwrap();
        assert_eq!(opened(&owner, &bytes).unwrap(), b"rows");
        write(Identity::generate().to_string().expose_secret());
        let other = opened(&owner, &bytes).unwrap_err();
        assert!(other.to_string().contains("no identity in `"), "{other}");
        write("hunter2");
        let wrong = opened(&owner, &bytes).unwrap_err().to_string();
        assert!(
            wrong.contains("holds no identity of age") && !wrong.contains("hunter2"),
            "{wrong}"
        );
    }

    #[test]
    fn no_changed_byte_is_read() {
        let keys = Keys::new(&[Identity::generate().to_public().to_string()], None).unwrap();
        let bytes = sealed(&keys, &[7; 1000]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(opened(&keys, &changed).is_err(), "byte {at}");
            assert!(opened(&keys, &bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_secret_is_refused_as_recipient_and_not_repeated() {
        let identity = Identity::generate();
        let secret = identity.to_string();
        let refused = recipient(secret.expose_secret()).unwrap_err();
        assert!(refused.contains("which is secret"), "{refused}");
        assert!(!refused.contains(secret.expose_secret()), "{refused}");
        assert!(recipient("ssh-ed25519 AAAA").is_err());
        let public = identity.to_public().to_string();
        assert_eq!(recipient(&public), Ok(public));
    }
}
