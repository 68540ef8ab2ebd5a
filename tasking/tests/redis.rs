//! Redis as it is in production: with passwords, TLS, and sentinels that let another server take over.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use entities::settings::{Masked, Sentinel};
use entities::task::TaskState;
use support::tasks::Nap;
use support::{Bench, until};
use tasking::{RedisPing, check_credentials};

/// Servers of Redis with TLS and a password in a directory of their own; they end with the value.
struct Farm {
    directory: tempfile::TempDir,
    servers: Vec<Child>,
}

impl Farm {
    fn new() -> Farm {
        let directory = tempfile::Builder::new().prefix("pr").tempdir_in("/tmp").unwrap();
        let farm = Farm { directory, servers: Vec::new() };
        farm.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ours -keyout ca.key -out ca.pem");
        farm.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=theirs -keyout other.key -out other.pem",
        );
        farm.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=redis -keyout redis.key -out redis.csr");
        std::fs::write(farm.file("names"), "subjectAltName=IP:127.0.0.1").unwrap();
        farm.openssl("x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out redis.pem");
        farm
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(&self.directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts a server; answers its port, on which it speaks TLS only.
    fn start(&mut self, more: &str) -> u16 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let name = format!("{port}.conf");
        let text = format!(
            "port 0\ntls-port {port}\nbind 127.0.0.1\ntls-cert-file redis.pem\ntls-key-file redis.key\n\
             tls-ca-cert-file ca.pem\ntls-auth-clients no\ntls-replication yes\nlogfile {port}.log\n\
             repl-diskless-sync-delay 0\nsave \"\"\n{more}\n"
        );
        // A sentinel keeps no data, and knows no settings about it.
        let text = if more.contains("sentinel") { text.replace("save \"\"\n", "") } else { text };
        std::fs::write(self.file(&name), text).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "redis-server", &name]).current_dir(&self.directory);
        command.args(more.contains("sentinel").then_some("--sentinel"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.servers.push(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{}", self.log(port));
            std::thread::sleep(Duration::from_millis(10));
        }
        port
    }

    fn log(&self, port: u16) -> String {
        std::fs::read_to_string(self.file(&format!("{port}.log"))).unwrap_or_default()
    }

    async fn says(&self, port: u16, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log(port).contains(text) {
            assert!(Instant::now() < deadline, "{text} is not in {}", self.log(port));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn kill(&mut self, number: usize) {
        self.servers[number].kill().unwrap();
        self.servers[number].wait().unwrap();
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

async fn bench(url: &str, authorities: Option<&Path>, sentinel: Option<Sentinel>) -> Bench {
    Bench::with_settings(|settings| {
        settings.redis_url = Some(Masked(url.to_owned()));
        settings.redis_ca_certs = authorities.map(Path::to_owned);
        settings.redis_sentinel = sentinel;
    })
    .await
}

/// What a process says that finds its Redis so.
async fn complaint(bench: &Bench, change: impl FnOnce(&mut entities::Settings)) -> String {
    let mut settings = (*bench.pulp.settings).clone();
    change(&mut settings);
    format!("{:#}", check_credentials(&settings).await.unwrap_err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_run_over_tls_and_only_a_trusted_server_is_told_anything() {
    let mut farm = Farm::new();
    let port = farm.start("requirepass hush");
    let mut bench =
        bench(&format!("rediss://:hush@127.0.0.1:{port}/2"), Some(&farm.file("ca.pem")), None).await;
    let ping = RedisPing::new(&bench.pulp.settings).unwrap().unwrap();
    assert!(ping.answers().await);
    bench.begin(1);
    let id = bench.dispatch(&Nap::of(1)).await;
    bench.reaches(id, TaskState::Completed).await;

    let url = |url: String| move |settings: &mut entities::Settings| settings.redis_url = Some(Masked(url));
    let told = complaint(&bench, |settings| settings.redis_ca_certs = Some(farm.file("other.pem"))).await;
    assert!(told.contains("UnknownIssuer"), "{told}");
    let told = complaint(&bench, url(format!("rediss://:hush@localhost:{port}/2"))).await;
    assert!(told.contains("NotValidForName") || told.contains("not valid for name"), "{told}");
    let told = complaint(&bench, url(format!("rediss://:wrong@127.0.0.1:{port}/2"))).await;
    assert!(told.contains("Redis cannot be used") && !told.contains('\n'), "{told}");
    let told = complaint(&bench, url(format!("rediss://127.0.0.1:{port}/2"))).await;
    assert!(told.contains("Redis cannot be used"), "{told}");
    let told = complaint(&bench, url(format!("rediss://:hush@127.0.0.1:{port}/99"))).await;
    assert!(told.contains("database") && !told.contains('\n'), "{told}");
    let told = complaint(&bench, |settings| settings.redis_ca_certs = Some(farm.file("redis.key"))).await;
    assert!(told.contains("redis.key"), "{told}");
    let told = complaint(&bench, |settings| settings.redis_ca_certs = Some(farm.file("nowhere"))).await;
    assert!(told.contains("REDIS_SSL_CA_CERTS"), "{told}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_go_on_when_sentinels_let_another_server_take_over() {
    let mut farm = Farm::new();
    let login = "requirepass hush\nmasterauth hush";
    let first = farm.start(login);
    let second = farm.start(&format!("{login}\nreplicaof 127.0.0.1 {first}\nrepl-timeout 5"));
    // A sentinel looks for replicas when it starts, and only seconds later again.
    farm.says(first, "with replica 127.0.0.1").await;
    let watch = format!(
        "requirepass quiet\nsentinel monitor pulp 127.0.0.1 {first} 1\nsentinel auth-pass pulp hush\n\
         sentinel down-after-milliseconds pulp 300\nsentinel failover-timeout pulp 3000"
    );
    let sentinel = farm.start(&watch);
    farm.says(sentinel, &format!("+slave slave 127.0.0.1:{second}")).await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let known = Sentinel {
        instances: [nobody, sentinel].map(|port| ("127.0.0.1".to_owned(), port)).into(),
        master_name: "pulp".to_owned(),
        username: None,
        password: Some(Masked("quiet".to_owned())),
    };
    let mut bench = bench("rediss://:hush@sentinels/2", Some(&farm.file("ca.pem")), Some(known)).await;
    bench.begin(2);
    let running = bench.dispatch(&Nap::of(4000)).await;
    let mut ids = vec![running];
    for number in 0..10 {
        ids.push(bench.dispatch(&Nap::of(10).alone_on(&format!("{}", number % 2))).await);
    }
    bench.reaches(running, TaskState::Running).await;
    farm.kill(0);
    let killed = Instant::now();
    for number in 0..20 {
        ids.push(bench.dispatch(&Nap::of(10).alone_on(&format!("{}", number % 2))).await);
    }
    let ping = RedisPing::new(&bench.pulp.settings).unwrap().unwrap();
    until("another server has taken over", async || ping.answers().await).await;
    let over = killed.elapsed();
    let next = bench.dispatch(&Nap::of(1)).await;
    bench.reaches(next, TaskState::Completed).await;
    println!("sentinels: another server after {over:?}, a new task is done after {:?}", killed.elapsed());
    for task in bench.all_final(&ids).await {
        assert_eq!(task.state, TaskState::Completed, "{:?}", task.error);
    }
    let told = complaint(&bench, |settings| {
        settings.redis_sentinel.as_mut().unwrap().password = Some(Masked("wrong".to_owned()));
    })
    .await;
    assert!(told.contains("Redis cannot be used"), "{told}");
    bench.stop().await;
}
