//! A schema for each tenant: one pool, and tables of the same name in the schemas `public` (the
//! default), `b` and `c`.

mod country;
mod fixture;
mod interleaved;
mod lasting;
mod leak;
mod mariadb;
mod scopes;
mod shared_logs;
mod switches;
