//! One running Pulp: servers, schema, keys, processes; ready when it answers.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use entities::settings::WorkerStyle;

use super::environment::{Environment, url_of};
use super::parts::{Launch, Parts, Role};
use super::secrets;
use crate::services::{DataDirectory, Services, Wanted, postgres};
use crate::supervise::Supervisor;

/// How long Pulp's processes may take until they answer.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Seconds for which a manager that does not lead waits before it ends and is started again: without it, each
/// would say every second who leads.
const STANDBY: &str = "60";

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// How many workers.
    pub(crate) workers: u16,
    /// How many resource managers.
    pub(crate) managers: u16,
    /// Where the API listens.
    pub(crate) api: SocketAddr,
    /// Where the content app listens.
    pub(crate) content: SocketAddr,
    /// Whether the user's settings are left out.
    pub(crate) private: bool,
}

/// A running Pulp. Dropping it kills its processes; [`Installation::stop`] is the orderly way.
#[derive(Debug)]
pub(crate) struct Installation {
    /// Where the API answers, without a slash at the end.
    pub(crate) api_url: String,
    /// Where files are served, likewise.
    pub(crate) content_url: String,
    /// The password of the user `admin`; `None` if it was not set here.
    pub(crate) password: Option<String>,
    /// The data directory, locked.
    pub(crate) directory: DataDirectory,
    /// The folder of Postgres's socket, if Postgres is ours.
    pub(crate) database_host: Option<String>,
    services: Services,
    parts: Parts,
}

impl Installation {
    /// Starts all of it and returns when the API and the content app answer.
    ///
    /// # Errors
    /// If a part cannot be started, dies meanwhile or does not answer.
    pub(crate) async fn start(supervisor: &Supervisor, plan: Plan) -> anyhow::Result<Installation> {
        for (option, address) in [("--api", plan.api), ("--content", plan.content)] {
            check_free(option, address)?;
        }
        let mut environment = Environment::new(plan.private)?;
        let directory = DataDirectory::open(&plan.data).await?;
        let wanted = Wanted {
            postgres: !environment.has_database(),
            redis: !environment.has_redis() && environment.worker_style == WorkerStyle::Redis,
            durable: true,
            sessions: postgres::SESSIONS,
        };
        let services = Services::start(supervisor, &directory, wanted).await?;
        environment.extend(services.addresses.environment());
        let work = prepare(&directory, &mut environment, &plan)?;
        let redis_style = environment.worker_style == WorkerStyle::Redis;

        let parts = Parts::new(supervisor, environment, work);
        parts.complete("migrate", &["migrate"], None).await?;
        let password = password(&directory, &parts, wanted.postgres).await?;
        let mut installation = Installation {
            api_url: url_of(plan.api),
            content_url: url_of(plan.content),
            password,
            database_host: services.addresses.database_host.clone(),
            directory,
            services,
            parts,
        };
        installation.launch(&plan, redis_style).await?;
        Ok(installation)
    }

    async fn launch(&mut self, plan: &Plan, redis_style: bool) -> anyhow::Result<()> {
        let bind = |role: &str, address: SocketAddr| -> Vec<String> {
            vec![role.into(), "--bind".into(), address.to_string()]
        };
        let mut all = vec![
            (Role::Api, "api".to_owned(), bind("api", plan.api)),
            (Role::Content, "content".to_owned(), bind("content", plan.content)),
        ];
        let managers = if redis_style { plan.managers } else { 0 };
        for number in 1..=managers {
            let arguments = ["worker", "--resource-manager", "--standby", STANDBY].map(String::from).into();
            all.push((Role::Manager, format!("manager-{number}"), arguments));
        }
        for number in 1..=plan.workers {
            all.push((Role::Worker, format!("worker-{number}"), vec!["worker".into()]));
        }
        for (role, name, arguments) in all {
            self.parts.launch(Launch { role, name, arguments }).await?;
        }
        let addresses =
            [format!("{}/pulp/api/v3/status/", self.api_url), format!("{}/pulp/content/", self.content_url)];
        tokio::select! {
            error = self.parts.failed() => Err(error),
            error = self.services.failed() => Err(error),
            ready = tokio::time::timeout(READY_WITHIN, answering(&addresses)) => {
                ready.with_context(|| format!("Pulp did not answer within {READY_WITHIN:?}"))?
            }
        }
    }

    /// Waits until a part or a server dies, and says how.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            error = self.parts.failed() => error,
            error = self.services.failed() => error,
        }
    }

    /// Stops workers, managers, content, API, Redis and Postgres, in this order.
    pub(crate) async fn stop(self) {
        self.parts.stop().await;
        self.services.stop().await;
    }
}

/// Makes folders and keys, and the settings that name them. Returns the folder the parts run in.
fn prepare(directory: &DataDirectory, environment: &mut Environment, plan: &Plan) -> anyhow::Result<PathBuf> {
    let keys = directory.folder("certs", false)?;
    for folder in ["media", "tmp"] {
        directory.folder(folder, false)?;
    }
    let key_file = keys.join("database_fields.symmetric.key");
    if !environment.is_given("DB_ENCRYPTION_KEY") {
        secrets::keep(&key_file, entities::secret::Keyring::generate)?;
    }
    let secret_key = secrets::keep(&keys.join("secret_key"), || secrets::random(50))?;
    environment.set_default("DB_ENCRYPTION_KEY", key_file.display().to_string());
    environment.set_default("SECRET_KEY", secret_key);
    environment.set_default("DEPLOY_ROOT", directory.path().display().to_string());
    environment.set_default("CONTENT_ORIGIN", url_of(plan.content));
    Ok(directory.path().to_owned())
}

/// The password of `admin`: made at the first start. In a database that is not ours it is left as it is.
async fn password(directory: &DataDirectory, parts: &Parts, ours: bool) -> anyhow::Result<Option<String>> {
    let path = password_file(directory.path());
    if !ours {
        return Ok(None);
    }
    if let Some(password) = secrets::read(&path)? {
        return Ok(Some(password));
    }
    let password = secrets::random(16);
    // It gets its final name when the database knows it: until then, the next start sets another one.
    let unset = path.with_extension("unset");
    secrets::write(&unset, &password)?;
    parts.complete("password", &["reset-admin-password"], Some(File::open(&unset)?)).await?;
    std::fs::rename(&unset, &path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(Some(password))
}

/// Where the first password of `admin` is kept.
pub(crate) fn password_file(directory: &Path) -> PathBuf {
    directory.join("admin_password")
}

/// Tells about a port in use before seconds are spent on anything else.
fn check_free(option: &str, address: SocketAddr) -> anyhow::Result<()> {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}: choose with {option}")),
    }
}

/// Asks each address until it gives an HTTP answer that is no error of the server.
async fn answering(addresses: &[String]) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    for address in addresses {
        loop {
            match client.get(address).send().await {
                Ok(answer) if !answer.status().is_server_error() => break,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
    Ok(())
}
