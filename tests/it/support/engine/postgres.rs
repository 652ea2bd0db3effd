//! PostgreSQL, of Debian's package.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::product::Product;

pub(super) struct Postgres {
    /// Whether what is committed survives a loss of power.
    pub(super) is_durable: bool,
}

impl Product for Postgres {
    fn package(&self) -> &'static str {
        "postgresql"
    }

    fn user(&self) -> &'static str {
        "postgres"
    }

    /// An "immediate shutdown": no checkpoint, but its shared memory is given back.
    fn end(&self) -> &'static str {
        "QUIT"
    }

    /// Debian keeps the programs of a server out of the path, one folder for each version of it.
    fn program(&self, name: &str) -> Option<PathBuf> {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let numbers =
            versions.filter_map(|version| version.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let program =
            |version: &u32| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/{name}"));
        // A client without a server has such a folder too.
        numbers
            .filter(|version| program(version).exists())
            .max()
            .map(|version| program(&version))
    }

    fn server(&self) -> &'static str {
        "postgres"
    }

    fn installation(&self, data: &Path) -> (&'static str, Vec<String>) {
        let arguments = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ];
        let folder = format!("--pgdata={}", data.display());
        let arguments = arguments.map(str::to_owned).into_iter().chain([folder]);
        ("initdb", arguments.collect())
    }

    fn serving(&self, data: &Path, port: u16) -> Vec<String> {
        // What is written survives the server's death as it is, and no test takes the machine's power.
        let (fsync, pages) = match self.is_durable {
            true => ("fsync=on", "full_page_writes=on"),
            false => ("fsync=off", "full_page_writes=off"),
        };
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            fsync,
            pages,
        ];
        let mut arguments = vec![
            "-D".to_owned(),
            data.display().to_string(),
            "-p".to_owned(),
            port.to_string(),
        ];
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting.to_owned()]);
        }
        arguments
    }

    fn url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    fn whereabouts(&self) -> &'static str {
        "SHOW data_directory"
    }

    /// A server that was killed leaves a segment of shared memory, of which a machine has 4096: the
    /// next server on the data removes it, and here is none.
    fn forget(&self, data: &Path) {
        let Ok(lock) = fs::read_to_string(data.join("postmaster.pid")) else {
            return; // it was not killed
        };
        // Line 7 is the segment's key and id (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_SHMEM_KEY).
        let id = lock
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1));
        if let Some(id) = id {
            _ = Command::new("ipcrm").args(["--shmem-id", id]).status();
        }
    }
}
