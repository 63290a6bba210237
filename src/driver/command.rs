//! A snapshot command of the user's own: a branch, a snapshot of a managed service.
//!
//! Its contract: it gets its words with the placeholders filled in, and the environment in which
//! libpq's programs reach the database; exit 0 says that the snapshot is taken, anything else that
//! it is not; the last line of its standard output may say what the snapshot is called.

use super::{Taken, ask, failed, line};
use crate::child::{Invocation, locate};
use crate::db::target::{Address, Target};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::hint::Refusal;
use crate::policy::{Placeholder, SnapshotCommand, Template};
use crate::secret::mask_urls;
use crate::text::clean::clean;

/// The longest last line that is taken for a name.
const LONGEST: usize = 200;

/// Refuses what can be known to fail before anything is done.
pub fn refuse_missing(command: &SnapshotCommand, environment: &Environment) -> Result<(), Refusal> {
    for template in std::iter::once(&command.create).chain(&command.verify) {
        let invocation = Invocation::from_words(template.words()).expect("a template has words");
        locate(&invocation, environment)
            .map_err(|error| Refusal::from(error).with_exit(Exit::SnapshotFailed))?;
    }
    Ok(())
}

/// Takes the snapshot, and has it verified where there is a command for that.
pub async fn take(command: &SnapshotCommand, target: &Target, id: &str) -> Result<Taken, Refusal> {
    let environment = target
        .client_environment()
        .map_err(|error| failed(format!("a password file for the snapshot command: {error}")))?;
    let invocation = |words: &[String]| {
        let invocation = Invocation::from_words(words).expect("a template has words");
        invocation.environment(&environment.set, &environment.remove)
    };
    let fill = |template: &Template, reference: &str| {
        template.fill(|placeholder| value(placeholder, target, id, reference))
    };
    let created = ask(&invocation(&fill(&command.create, "")), command.timeout).await?;
    let reference = reference(&created.stdout).unwrap_or_else(|| id.to_owned());
    let verified_at = match &command.verify {
        None => None,
        Some(verify) => {
            let asked = ask(&invocation(&fill(verify, &reference)), command.timeout).await;
            asked.map_err(|refusal| {
                refusal.hint(format!("what `create` made may be there, as {reference}"))
            })?;
            Some(jiff::Timestamp::now())
        }
    };
    let restore = command.restore.as_ref().map(|restore| line(&fill(restore, &reference)));
    Ok(Taken { reference: mask_urls(&reference), restore, verified_at })
}

/// What a placeholder stands for here.
fn value(placeholder: Placeholder, target: &Target, id: &str, reference: &str) -> String {
    // Of several hosts the one that was reached is the only one by now.
    let host = target.hosts.first();
    match placeholder {
        Placeholder::Id => id.to_owned(),
        Placeholder::Database => target.database.clone(),
        Placeholder::Host => host.map_or_else(String::new, |host| match &host.address {
            Address::Tcp { host, .. } => host.clone(),
            Address::Unix(directory) => directory.display().to_string(),
        }),
        Placeholder::Port => host.map_or_else(String::new, |host| host.port.to_string()),
        Placeholder::User => target.user.clone(),
        Placeholder::Reference => reference.to_owned(),
    }
}

/// What the last line says that the snapshot is called; a line that can't be shown as it is, or is
/// longer than a name, is none.
fn reference(stdout: &str) -> Option<String> {
    let last = stdout.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let is_name = last.chars().count() <= LONGEST && clean(last) == last;
    is_name.then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn the_last_line_names_the_snapshot() {
        assert_eq!(reference("making it\nsnap-0f3 \n\n").as_deref(), Some("snap-0f3"));
        assert_eq!(
            reference("arn:aws:rds:eu-west-1:1:snapshot:x").as_deref().map(str::len),
            Some(34)
        );
        for none in ["", " \n\n", "\u{1b}[2Jsnap", &"x".repeat(201)] {
            assert_eq!(reference(none), None, "{none}");
        }
    }
}
