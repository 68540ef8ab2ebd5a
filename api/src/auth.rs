//! HTTP Basic authentication against the users of the database (R34).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entities::{password, user};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use moka::sync::Cache;
use rand::Rng;
use sea_orm::DatabaseConnection;
use sha2::Digest;
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// Passwords that are checked at the same time; each takes a core for a fraction of a second.
const SIMULTANEOUS: usize = 2;

/// How long a request waits for its turn to have its password checked.
const PATIENCE: Duration = Duration::from_secs(20);

/// Users and clients whose attempts wait in lines of their own, at most.
const LINES: u64 = 4096;

/// How long a line is kept in which no attempt waits.
const LINE_MEMORY: Duration = Duration::from_secs(60);

/// Verified credentials that are remembered at most.
const REMEMBERED: u64 = 1024;

/// How long credentials are remembered that are not used.
const MEMORY: Duration = Duration::from_secs(3600);

/// A hash that no password matches, as expensive to check as a real one: answers take as long for a user that
/// does not exist.
const NOBODY: &str = "pbkdf2_sha256$1000000$nobody$-";

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The row's id.
    pub id: i32,
    /// The name.
    pub username: String,
    /// Whether the user may do everything.
    pub is_superuser: bool,
}

/// A way to log in.
#[async_trait::async_trait]
pub trait Scheme: std::fmt::Debug + Send + Sync {
    /// The user whose credentials of this scheme the request carries; none if it carries none. `client` is
    /// where it comes from, if that is known.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] with wrong ones.
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        connection: &DatabaseConnection,
    ) -> Result<Option<User>>;
}

/// HTTP Basic authentication (RFC 7617). Checks credentials, and remembers those it has checked.
///
/// What is remembered is a keyed digest of name, password and stored hash, with a key of this process alone:
/// it is of no use elsewhere, and no longer matches once the stored hash changes.
pub struct Basic {
    key: [u8; 32],
    verified: Cache<[u8; 32], ()>,
    turns: Semaphore,
    lines: Cache<Line, Arc<Semaphore>>,
}

/// Whose attempts wait for each other: of each line, one attempt at a time waits for its turn, so that a
/// flood of wrong passwords does not hold up other users and other clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Line {
    /// Names that no user has, from wherever.
    Strangers,
    /// A user, and the client that gives his name.
    User(i32, Option<IpAddr>),
}

impl Default for Basic {
    fn default() -> Basic {
        Basic {
            key: rand::rng().random(),
            verified: Cache::builder().max_capacity(REMEMBERED).time_to_idle(MEMORY).build(),
            turns: Semaphore::new(SIMULTANEOUS),
            lines: Cache::builder().max_capacity(LINES).time_to_idle(LINE_MEMORY).build(),
        }
    }
}

#[async_trait::async_trait]
impl Scheme for Basic {
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        connection: &DatabaseConnection,
    ) -> Result<Option<User>> {
        let Some((username, password)) = basic(headers)? else { return Ok(None) };
        let row = user::find_active(connection, &username).await?;
        let stored = row.as_ref().map_or_else(|| NOBODY.to_owned(), |row| row.password.clone());
        let line = row.as_ref().map_or(Line::Strangers, |row| Line::User(row.id, client));
        let is_known = self.verify(line, &username, password, stored).await?;
        let row = row.filter(|_| is_known).ok_or(Error::BadCredentials)?;
        Ok(Some(User { id: row.id, username: row.username, is_superuser: row.is_superuser }))
    }
}

impl Basic {
    async fn verify(&self, line: Line, username: &str, password: String, stored: String) -> Result<bool> {
        let digest = self.digest(&[username, &password, &stored]);
        if self.verified.get(&digest).is_some() {
            return Ok(true);
        }
        let line = self.lines.get_with(line, || Arc::new(Semaphore::new(1)));
        let turn = async { (line.acquire().await, self.turns.acquire().await) };
        let busy = |_| Error::Unavailable("Too many logins at once; try again later.".into());
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(busy)?;
        if self.verified.get(&digest).is_some() {
            return Ok(true);
        }
        let verified = tokio::task::spawn_blocking(move || password::verify(&password, &stored)).await;
        drop(turn);
        let verified = verified.map_err(|error| Error::Internal(error.into()))?;
        if verified {
            self.verified.insert(digest, ());
        }
        Ok(verified)
    }

    fn digest(&self, parts: &[&str]) -> [u8; 32] {
        let mut digest = sha2::Sha256::new_with_prefix(self.key);
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().into()
    }
}

fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>> {
    let Some(header) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let Some((scheme, encoded)) = header.split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| Error::BadCredentials)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::BadCredentials)?;
    let (username, password) = text.split_once(':').ok_or(Error::BadCredentials)?;
    if text.contains('\0') {
        return Err(Error::BadCredentials);
    }
    Ok(Some((username.to_owned(), password.to_owned())))
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Basic(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_basic_credentials_only() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            basic(&headers)
        };
        let pair = Some(("admin".to_owned(), "pass:word".to_owned()));
        assert_eq!(read(&format!("Basic {}", STANDARD.encode("admin:pass:word"))).unwrap(), pair);
        assert_eq!(read("Bearer x").unwrap(), None);
        assert!(read("Basic !").is_err());
        assert!(read(&format!("Basic {}", STANDARD.encode("nocolon"))).is_err());
    }

    #[tokio::test]
    async fn a_changed_hash_is_not_remembered() {
        let credentials = Basic::default();
        let stored = "pbkdf2_sha256$1000$salt$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM=".to_owned();
        for _ in 0..2 {
            let verified =
                credentials.verify(Line::User(1, None), "admin", "password".into(), stored.clone());
            assert!(verified.await.unwrap());
        }
        credentials.verified.run_pending_tasks();
        assert_eq!(credentials.verified.entry_count(), 1);
        let verified = credentials.verify(Line::User(1, None), "admin", "password".into(), "!".into());
        assert!(!verified.await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_flood_of_wrong_passwords_does_not_hold_up_others() {
        let credentials = Arc::new(Basic::default());
        let stored = "pbkdf2_sha256$1000$salt$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM=";
        let dear = stored.replace("$1000$", "$100000$");
        let (attacker, other) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let mut flood = tokio::task::JoinSet::new();
        for number in 0..200 {
            let line = if number % 2 == 0 { Line::Strangers } else { Line::User(1, attacker) };
            let (credentials, dear) = (credentials.clone(), dear.clone());
            flood.spawn(async move { credentials.verify(line, "x", format!("{number}"), dear).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = std::time::Instant::now();
        for line in [Line::User(1, other), Line::User(2, attacker)] {
            let verified = credentials.verify(line, "admin", "password".into(), stored.to_owned());
            assert!(verified.await.unwrap());
        }
        let (took, left) = (began.elapsed(), flood.len());
        let ended = std::iter::from_fn(|| flood.try_join_next()).count();
        assert!(ended < left / 2, "the flood ended before: {ended} of {left} within {took:?}");
    }
}
