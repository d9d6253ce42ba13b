//! `mlx serve` in the place of MLflow's scoring server.

use crate::clients::run_client;
use crate::server::{Server, packaged};

#[test]
fn the_forms_that_mlflow_documents_are_answered() {
    let (project, _) = packaged();
    let server = Server::start(&project, &["dist/m-1.tar"]);

    run_client(&["pandas>=2", "requests==2.34.2"], include_str!("clients/mlflow.py"), &server.address.to_string());
}
