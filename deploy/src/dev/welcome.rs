//! The box at the end of the start: where things are, who may log in, what to type next.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::Installation;
use super::installation::password_file;

/// Prints the box.
pub(crate) fn show(installation: &Installation) {
    let lines = lines(installation);
    let border = Style::new().fg_color(Some(AnsiColor::Green.into()));
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let bar = "─".repeat(width + 2);
    let mut text = format!("{border}╭{bar}╮{border:#}\n");
    for line in lines {
        text.push_str(&format!("{border}│{border:#} {line:width$} {border}│{border:#}\n"));
    }
    text.push_str(&format!("{border}╰{bar}╯{border:#}\n"));
    // A closed terminal is no reason to stop.
    let _ = anstream::stderr().write_all(text.as_bytes());
}

fn lines(installation: &Installation) -> Vec<String> {
    let Installation { api_url, content_url, directory, .. } = installation;
    let (password, note) = match &installation.password {
        Some(password) => {
            let file = password_file(directory.path());
            (password.clone(), format!("admin / {password}   (first password, kept in {})", file.display()))
        }
        None => ("…".into(), "admin / as set in your database (pulpcore reset-admin-password)".into()),
    };
    let mut lines = vec![
        "Pulp is running. Ctrl-C stops it.".to_owned(),
        String::new(),
        format!("API       {api_url}/pulp/api/v3/"),
        format!("Content   {content_url}/pulp/content/"),
        format!("Login     {note}"),
        format!("Data      {}", directory.path().display()),
    ];
    if let Some(host) = &installation.database_host {
        lines.push(format!("Database  psql -h {host} -U pulp pulp"));
    }
    lines.extend([
        String::new(),
        "Next:".to_owned(),
        "  pip install pulp-cli".to_owned(),
        format!("  pulp config create --base-url {api_url} --username admin --password {password}"),
        "  pulp status".to_owned(),
    ]);
    lines
}
