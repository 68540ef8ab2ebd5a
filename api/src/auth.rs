//! HTTP Basic authentication against the users of the database (R34).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entities::{db, password};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use moka::sync::Cache;
use rand::Rng;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sha2::Digest;
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// Passwords that are checked at the same time; each takes a core for a fraction of a second.
const SIMULTANEOUS: usize = 2;

/// How long a request waits for its turn to have its password checked.
const PATIENCE: Duration = Duration::from_secs(20);

/// Verified credentials that are remembered at most.
const REMEMBERED: u64 = 1024;

/// How long credentials are remembered that are not used.
const MEMORY: Duration = Duration::from_secs(3600);

/// A hash that no password matches, as expensive to check as a real one: answers take as long for a user that does
/// not exist.
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

/// Checks credentials, and remembers those it has checked.
///
/// What is remembered is a keyed digest of name, password and stored hash, with a key of this process alone: it is
/// of no use elsewhere, and no longer matches once the stored hash changes.
pub struct Credentials {
    key: [u8; 32],
    verified: Cache<[u8; 32], ()>,
    turns: Semaphore,
}

impl Default for Credentials {
    fn default() -> Credentials {
        Credentials {
            key: rand::rng().random(),
            verified: Cache::builder().max_capacity(REMEMBERED).time_to_idle(MEMORY).build(),
            turns: Semaphore::new(SIMULTANEOUS),
        }
    }
}

impl Credentials {
    /// The user whose name and password the request carries.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without credentials, [`Error::BadCredentials`] with wrong ones.
    pub async fn check(&self, headers: &HeaderMap, connection: &DatabaseConnection) -> Result<User> {
        let (username, password) = basic(headers)?.ok_or(Error::Unauthenticated)?;
        let sql =
            "SELECT id, username, password, is_superuser FROM auth_user WHERE username = $1 AND is_active";
        let row = connection.query_one_raw(db::sql(sql, [username.as_str().into()])).await?;
        let stored: String = match &row {
            Some(row) => row.try_get("", "password")?,
            None => NOBODY.to_owned(),
        };
        let is_known = self.verify(&username, password, stored).await?;
        match row {
            Some(row) if is_known => Ok(User {
                id: row.try_get("", "id")?,
                username: row.try_get("", "username")?,
                is_superuser: row.try_get("", "is_superuser")?,
            }),
            _ => Err(Error::BadCredentials),
        }
    }

    async fn verify(&self, username: &str, password: String, stored: String) -> Result<bool> {
        let digest = self.digest(&[username, &password, &stored]);
        if self.verified.get(&digest).is_some() {
            return Ok(true);
        }
        let busy = |_| Error::Unavailable("Too many logins at once; try again later.".into());
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await.map_err(busy)?;
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

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
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
        let credentials = Credentials::default();
        let stored = "pbkdf2_sha256$1000$salt$YywoEuRtRgQQK6dhjp1tfS+BKPYma0oDJk0qBGC33LM=".to_owned();
        for _ in 0..2 {
            assert!(credentials.verify("admin", "password".into(), stored.clone()).await.unwrap());
        }
        credentials.verified.run_pending_tasks();
        assert_eq!(credentials.verified.entry_count(), 1);
        assert!(!credentials.verify("admin", "password".into(), "!".into()).await.unwrap());
    }
}
