//! Encryption of secrets at rest: remote credentials are stored as Fernet tokens (V04).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::{Error, Result};

/// The keys of setting `DB_ENCRYPTION_KEY`. Encrypts with the first, decrypts with any.
#[derive(Clone)]
pub struct Keyring(Arc<fernet::MultiFernet>);

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

impl Keyring {
    /// Reads a key file: keys of 32 bytes in base64, of either alphabet as Pulp reads them, one a line, the
    /// newest first.
    ///
    /// # Errors
    /// If it cannot be read, holds anything else or no key, or everyone may write it.
    pub fn load(path: &Path) -> anyhow::Result<Keyring> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the key file {shown} (setting DB_ENCRYPTION_KEY; a new one is made by `openssl rand \
                 -base64 32 > {shown}`, and all processes need the same one)"
            )
        })?;
        check_mode(path)?;
        let keys: Vec<fernet::Fernet> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                fernet::Fernet::new(&line.replace('+', "-").replace('/', "_")).with_context(|| {
                    format!("{} holds a line that is not a Fernet key (32 bytes, base64)", path.display())
                })
            })
            .collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(!keys.is_empty(), "the key file {} holds no key", path.display());
        Ok(Keyring(Arc::new(fernet::MultiFernet::new(keys))))
    }

    /// A new random key, as a line of a key file.
    pub fn generate() -> String {
        fernet::Fernet::generate_key()
    }

    /// A token that only the keys can read.
    pub fn encrypt(&self, secret: &str) -> String {
        self.0.encrypt(secret.as_bytes())
    }

    /// What [`Keyring::encrypt`] was given.
    ///
    /// # Errors
    /// If the token was made with a key that is not in the key file, or is damaged.
    pub fn decrypt(&self, token: &str) -> Result<String> {
        let bytes = self.0.decrypt(token).map_err(|_| {
            Error::Internal(anyhow::anyhow!(
                "a stored secret cannot be decrypted: is its key missing from DB_ENCRYPTION_KEY?"
            ))
        })?;
        String::from_utf8(bytes).context("a stored secret is not text").map_err(Error::Internal)
    }
}

/// Who may write the file can put keys of his own into it, who may read it can decrypt every secret.
fn check_mode(path: &Path) -> anyhow::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    let shown = path.display();
    anyhow::ensure!(mode & 0o002 == 0, "everyone may write the key file {shown} (run `chmod o-rw {shown}`)");
    if mode & 0o004 != 0 {
        tracing::warn!("everyone may read the key file {shown} (run `chmod o-r {shown}`)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_keys_still_decrypt() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let old = Keyring::generate();
        std::fs::write(&path, &old).unwrap();
        let token = Keyring::load(&path).unwrap().encrypt("secret");
        std::fs::write(&path, format!("{}\n{old}\n", Keyring::generate())).unwrap();
        assert_eq!(Keyring::load(&path).unwrap().decrypt(&token).unwrap(), "secret");
        std::fs::write(&path, Keyring::generate()).unwrap();
        assert!(Keyring::load(&path).unwrap().decrypt(&token).is_err());
    }

    #[test]
    fn both_alphabets_of_base64_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let key = "-_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        std::fs::write(&path, key).unwrap();
        let token = Keyring::load(&path).unwrap().encrypt("secret");
        std::fs::write(&path, key.replace('-', "+").replace('_', "/")).unwrap();
        assert_eq!(Keyring::load(&path).unwrap().decrypt(&token).unwrap(), "secret");
        for wrong in ["", "short", "+/+/AAAAAAAA", "!-_-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            std::fs::write(&path, wrong).unwrap();
            assert!(Keyring::load(&path).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_everyone_may_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, Keyring::generate()).unwrap();
        for (mode, usable) in [(0o600, true), (0o640, true), (0o644, true), (0o666, false), (0o602, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Keyring::load(&path).is_ok(), usable, "{mode:o}");
        }
    }
}
