//! What an object store answers when it does not do what it was asked, for a person.

use std::error::Error as _;

use object_store::Error;

use super::location::{BucketUrl, Provider};
use crate::exit::Exit;
use crate::hint::Refusal;

/// Says what could not be done, why, and what to do about it.
pub fn refusal(exit: Exit, url: &BucketUrl, what: &str, error: &Error) -> Refusal {
    let said = said(error);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let (why, hint) = if has(&["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]) {
        (
            "there is no such bucket".to_owned(),
            format!("make `{}`, or name another with --store", url.bucket),
        )
    } else if has(&["AuthorizationHeaderMalformed", "PermanentRedirect", "configured region"]) {
        (
            "the bucket is in another region".to_owned(),
            "set AWS_REGION to the bucket's region".to_owned(),
        )
    } else if has(&[
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "ExpiredToken",
        "AuthenticationFailed",
    ]) || matches!(error, Error::Unauthenticated { .. })
    {
        ("the credentials are not accepted".to_owned(), credentials(url.provider).to_owned())
    } else if has(&["AccessDenied"]) || matches!(error, Error::PermissionDenied { .. }) {
        ("access is denied".to_owned(), rights(url.provider).to_owned())
    } else if has(&[
        "169.254.",
        "metadata.google.internal",
        "Missing AccessKeyId",
        "Missing SecretAccessKey",
    ]) {
        ("there are no credentials".to_owned(), credentials(url.provider).to_owned())
    } else if has(&["scheme is not allowed", "URL scheme", "builder error"]) {
        (
            "the endpoint speaks plain HTTP".to_owned(),
            "allow that with AWS_ALLOW_HTTP=true where the network is your own".to_owned(),
        )
    } else if has(&["error sending request", "Connection refused", "dns error", "timed out"]) {
        (
            format!("the server can't be reached ({})", innermost(error)),
            "check the network and AWS_ENDPOINT_URL, or keep it elsewhere with --store".to_owned(),
        )
    } else if matches!(error, Error::NotFound { .. }) {
        (
            "it is not there".to_owned(),
            "somebody may have removed it meanwhile: list the snapshots again".to_owned(),
        )
    } else {
        (innermost(error), "try it again, or choose another place with --store".to_owned())
    };
    Refusal::new(exit, format!("{what}, in `{url}`: {why}")).hint(hint)
}

/// The whole chain, for looking through; never shown, since it repeats URLs.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push(' ');
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The first cause, in one line, without the query of a URL.
fn innermost(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    let words = text.split_whitespace().map(|word| word.split('?').next().unwrap_or_default());
    let line = words.collect::<Vec<_>>().join(" ");
    let short: String = crate::secret::mask_urls(&line).chars().take(300).collect();
    if short.is_empty() { "it said nothing".to_owned() } else { short }
}

fn credentials(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them"
        }
        Provider::Gcs => {
            "set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run where a service account gives them"
        }
        Provider::Azure => {
            "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or run where an identity gives them"
        }
    }
}

fn rights(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => {
            "it needs s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload there"
        }
        Provider::Gcs => "it needs the role Storage Object User there",
        Provider::Azure => "it needs the role Storage Blob Data Contributor there",
    }
}
