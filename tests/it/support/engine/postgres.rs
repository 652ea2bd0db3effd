//! PostgreSQL, from Debian's package.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::product::Product;

pub(super) struct Postgres {
    /// Whether commits survive a power failure.
    pub(super) is_durable: bool,
}

impl Product for Postgres {
    fn package(&self) -> &'static str {
        "postgresql"
    }

    fn user(&self) -> &'static str {
        "postgres"
    }

    /// An "immediate shutdown": without a checkpoint, but the server frees its shared memory.
    fn end_signal(&self) -> &'static str {
        "QUIT"
    }

    /// Debian installs the programs of a server outside of `PATH`, in one folder for each version.
    fn program(&self, name: &str) -> Option<PathBuf> {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let numbers =
            versions.filter_map(|version| version.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let program =
            |version: &u32| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin/{name}"));
        // A client without a server also has such a folder.
        numbers
            .filter(|version| program(version).exists())
            .max()
            .map(|version| program(&version))
    }

    fn server_program(&self) -> &'static str {
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

    fn server_arguments(&self, data: &Path, port: u16) -> Vec<String> {
        // Even without, written data survives the death of the server.
        let (fsync, full_page_writes) = if self.is_durable {
            ("fsync=on", "full_page_writes=on")
        } else {
            ("fsync=off", "full_page_writes=off")
        };
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            fsync,
            full_page_writes,
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

    fn data_folder_query(&self) -> &'static str {
        "SHOW data_directory"
    }

    /// A killed server leaves a segment of shared memory behind; a machine has 4096 of them. The
    /// next server on the same data would remove the segment, but here there is none.
    fn clean_up(&self, data: &Path) {
        let Ok(lock) = fs::read_to_string(data.join("postmaster.pid")) else {
            return; // the server was not killed
        };
        // Line 7 has the key and the id of the segment (miscadmin.h, LOCK_FILE_LINE_SHMEM_KEY).
        let id = lock
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1));
        if let Some(id) = id {
            _ = Command::new("ipcrm").args(["--shmem-id", id]).status();
        }
    }
}
