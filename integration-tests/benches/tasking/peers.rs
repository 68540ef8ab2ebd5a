//! What tasks are compared with: the three commits of a task made by pgbench, and rq.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use entities::domain;
use uuid::Uuid;

use crate::installation::Installation;

/// The version of rq whose defaults are known.
const RQ: &str = "rq==2.6.0";

/// Jobs that rq runs.
const JOBS: usize = 400;

/// A table that pgbench fills, and the three statements.
pub(crate) struct Table {
    create: &'static str,
    script: &'static str,
}

/// A row that knows only its state.
pub(crate) const NARROW: Table = Table {
    create: "CREATE TABLE IF NOT EXISTS narrow (id bigint PRIMARY KEY, state text NOT NULL, resources text[] NOT NULL,
                 created_at timestamptz NOT NULL DEFAULT clock_timestamp(), started_at timestamptz,
                 finished_at timestamptz)",
    script: "\\set id random(1, 1000000000000)
INSERT INTO narrow (id, state, resources) VALUES (:id, 'waiting', ARRAY['a', 'b']) ON CONFLICT DO NOTHING;
UPDATE narrow SET state = 'running', started_at = clock_timestamp() WHERE id = :id;
UPDATE narrow SET state = 'completed', finished_at = clock_timestamp() WHERE id = :id;
",
};

/// The row of a task, with all its columns, indexes and references. `DOMAIN` is the domain's id.
pub(crate) const TASK: Table = Table {
    create: "CREATE TABLE IF NOT EXISTS wide (LIKE task INCLUDING ALL, FOREIGN KEY (pulp_domain_id) REFERENCES domain,
                 FOREIGN KEY (parent_task_id) REFERENCES task, FOREIGN KEY (task_group_id) REFERENCES task_group,
                 FOREIGN KEY (created_by) REFERENCES auth_user)",
    script: "\\set id random(1, 1000000000000)
INSERT INTO wide (pulp_id, pulp_domain_id, name, exclusive_resources, shared_resources)
    VALUES (lpad(to_hex(:id), 32, '0')::uuid, 'DOMAIN', 'bench', ARRAY['a'], ARRAY['b']) ON CONFLICT DO NOTHING;
UPDATE wide SET state = 'running', started_at = clock_timestamp(), worker_id = gen_random_uuid(),
    claim_token = gen_random_uuid() WHERE pulp_id = lpad(to_hex(:id), 32, '0')::uuid;
UPDATE wide SET state = 'completed', finished_at = clock_timestamp() WHERE pulp_id = lpad(to_hex(:id), 32, '0')::uuid;
",
};

/// Times per second that pgbench inserts a row and updates it twice, each its own commit, with four clients.
pub(crate) fn three_commits(installation: &Installation, table: &Table) -> anyhow::Result<f64> {
    let url = &installation.servers.services().database_url;
    output(Command::new("psql").args(["--quiet", url, "-c", table.create]))?;
    let script = installation.servers.directory().join("three-commits.sql");
    std::fs::write(&script, table.script.replace("DOMAIN", &domain::DEFAULT.to_string()))?;
    let mut pgbench = Command::new(binary("pgbench"));
    pgbench.args(["-n", "-c", "4", "-j", "2", "-T", "4", "-f"]).arg(&script).arg(url);
    let text = output(&mut pgbench)?;
    let line = text.lines().find(|line| line.starts_with("tps = "));
    let figure = line.and_then(|line| line.split_whitespace().nth(2));
    figure.and_then(|figure| figure.parse().ok()).ok_or_else(|| anyhow::anyhow!("pgbench says: {text}"))
}

/// Jobs that do nothing, per second, by two workers as they come: each job in a process of its own.
pub(crate) fn rq(installation: &Installation) -> anyhow::Result<f64> {
    let environment = installed()?;
    let socket = installation.servers.services().redis_url.replace("redis+unix://", "unix://");
    let url = format!("{socket}{}db=9", if socket.contains('?') { '&' } else { '?' });
    // A queue of its own: jobs of an earlier measurement count as finished for minutes.
    let queue = format!("bench-{}", Uuid::now_v7());
    let worker = || {
        let mut command = Command::new(environment.join("bin/rq"));
        command.args(["worker", "--quiet", "--url", &url, &queue]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    let mut workers = [worker()?, worker()?];
    std::thread::sleep(Duration::from_secs(3));
    let enqueue = format!(
        "import redis, rq, time\nq = rq.Queue('{queue}', connection=redis.Redis.from_url('{url}'))\n\
         jobs = [q.enqueue('math.sqrt', 4) for _ in range({JOBS})]\n\
         while q.finished_job_registry.count < {JOBS}: time.sleep(0.01)\n"
    );
    let began = Instant::now();
    let done = output(Command::new(environment.join("bin/python")).args(["-c", &enqueue]));
    let elapsed = began.elapsed();
    for worker in &mut workers {
        let _ = worker.kill();
        let _ = worker.wait();
    }
    done?;
    Ok(JOBS as f64 / elapsed.as_secs_f64())
}

fn installed() -> anyhow::Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let target = executable.ancestors().nth(3).ok_or_else(|| anyhow::anyhow!("no target directory"))?;
    let environment = target.join("rq");
    if !environment.join("bin/rq").exists() {
        output(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        output(Command::new(environment.join("bin/pip")).args(["install", "--quiet", RQ]))?;
    }
    Ok(environment)
}

fn binary(name: &str) -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found =
        installed.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).max();
    found.unwrap_or_else(|| Path::new(name).to_owned())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().map_err(|error| anyhow::anyhow!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
