//! `pulpcore reset-admin-password`: the password of the user `admin`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use entities::secret::Keyring;
use entities::{Settings, db, password};
use rand::Rng;
use sea_orm::ConnectionTrait;

use crate::arguments::ResetAdminPassword;
use crate::database;
use crate::plugins::Plugins;

/// Characters of a random password.
const LENGTH: usize = 32;

/// Sets the password; makes the user if there is none.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: ResetAdminPassword,
) -> anyhow::Result<ExitCode> {
    Keyring::load(&settings.db_encryption_key)?;
    let random = options.random;
    let password = match options.password {
        Some(password) => password,
        None if random => draw(),
        None => tokio::task::spawn_blocking(ask).await??,
    };
    ensure!(!password.is_empty(), "the password must not be empty");
    let db = database::open(&settings).await?;
    database::check_schema(&db, &plugins.migrator()).await?;
    let shown = random.then(|| password.clone());
    let hash = tokio::task::spawn_blocking(move || password::hash(&password)).await?;
    let sql = "INSERT INTO auth_user (username, password, is_staff, is_superuser, is_active)
                 VALUES ('admin', $1, true, true, true)
                 ON CONFLICT (username) DO UPDATE
                 SET password = excluded.password, is_staff = true, is_superuser = true, is_active = true";
    db.execute_raw(db::sql(sql, [hash.into()])).await.context("the password could not be stored")?;
    match shown {
        Some(password) => super::print(&password)?,
        None => super::print("the password of admin is set")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn draw() -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(LENGTH).map(char::from).collect()
}

/// Asks twice at a terminal, without echo; takes the first line of anything else.
fn ask() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context("cannot read the password from the standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first =
        rpassword::prompt_password("New password of admin: ").context("cannot ask for the password")?;
    let second = rpassword::prompt_password("Once more: ").context("cannot ask for the password")?;
    ensure!(first == second, "the two passwords differ (nothing was changed)");
    Ok(first)
}
