//! What the prober's user may do beyond the question, for `check` to advise against.

use mysql_async::Conn;
use tokio_postgres::Client;

use crate::sql::{mysql, postgres};

/// What stands behind a grant to a user and is no privilege. MariaDB shows the hash of the password there.
const BEHIND_A_GRANT: &str = " TO ";

const USAGE: &str = "GRANT USAGE ON *.*";

pub(super) async fn of_mysql(connection: &mut Conn) -> Result<Vec<String>, String> {
    let rows = mysql::rows(connection, "show grants").await?;
    Ok(beyond_usage(rows.iter().filter_map(|row| row.first())))
}

/// The grants without their ends, where they allow anything.
fn beyond_usage<'a>(grants: impl Iterator<Item = &'a String>) -> Vec<String> {
    let privileges = grants.map(|grant| match grant.split_once(BEHIND_A_GRANT) {
        Some((privileges, _)) => privileges,
        None => "a grant that cannot be read",
    });
    privileges.filter(|grant| !grant.eq_ignore_ascii_case(USAGE)).map(str::to_owned).collect()
}

/// Attributes of the role, and roles that were granted to it. `rds_iam` is what allows IAM authentication.
const OF_POSTGRES: &str = "\
     select 'SUPERUSER' from pg_roles where rolname = current_user and rolsuper \
     union all select 'CREATEROLE' from pg_roles where rolname = current_user and rolcreaterole \
     union all select 'CREATEDB' from pg_roles where rolname = current_user and rolcreatedb \
     union all select 'REPLICATION' from pg_roles where rolname = current_user and rolreplication \
     union all select 'role ' || granted.rolname from pg_auth_members as m \
       join pg_roles as granted on granted.oid = m.roleid join pg_roles as own on own.oid = m.member \
       where own.rolname = current_user and granted.rolname <> 'rds_iam'";

pub(super) async fn of_postgres(client: &Client) -> Result<Vec<String>, String> {
    let rows = postgres::rows(client, OF_POSTGRES).await?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_no_excess_and_no_password_hash_is_shown() {
        let grants = [
            "GRANT USAGE ON *.* TO `mon`@`%` IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'",
            "GRANT SELECT, INSERT ON `shop`.* TO `mon`@`%`",
            "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
        ];
        let owned = grants.map(str::to_owned);
        let excess = beyond_usage(owned.iter());
        assert_eq!(excess, ["GRANT SELECT, INSERT ON `shop`.*", "a grant that cannot be read"]);
    }
}
