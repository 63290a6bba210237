//! `rowsafe run`, from the command line to the rows.

mod allowances;
mod compare;
mod edges;
mod incident;
mod on_loss;
mod over_reach;
mod plain_sql;
mod projects;
mod values;
