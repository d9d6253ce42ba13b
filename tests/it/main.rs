//! What users see: the real program in temporary projects.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod architecture;
mod bundles;
mod cat;
mod clients;
mod crash;
mod dag;
mod data;
mod deploy;
mod deployed;
mod doctor;
mod environments;
mod examples;
mod explain;
mod fans;
mod faults;
mod generated;
mod harness;
mod hooks;
mod hostile_bundles;
mod imports;
mod init;
mod links;
mod manifest;
mod merging;
mod models;
mod parts;
mod patterns;
mod proxy;
mod push;
mod remote;
mod remotes;
mod runs;
mod serve;
mod serve_mlflow;
mod serve_protocol;
mod server;
mod services;
mod steps;
mod store;
mod tables;
mod trace;
mod train;
mod travel;
mod web;
