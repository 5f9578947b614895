"""Names of files and folders that probably hold a secret.

Compiled from the lists of gitleaks, trufflehog, shhgit and GitHub's templates of ``.gitignore``, and from the places
where programs store logins. If the name is not sufficient, the content decides: see `buildr.context.secret_contents`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from buildr.context import secret_contents

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FOLDERS", "ROWS", "SOURCE", "Row"]


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        names: patterns in the syntax of an ignore file, with ``*`` for a wildcard and in small letters, each meant at any depth; ``!`` makes an
            exception to the row. One with a ``*`` that does not begin with a dot means no source code (see `SOURCE`).
        reason: what such a file holds.
        shows: where the name does not decide, what the beginning has to show.
        unless: what the content shows that is public after all.
    """

    names: str
    reason: str
    shows: Callable[[bytes], bool] | None = None
    unless: Callable[[bytes], bool] | None = None

    @property
    def by_name(self) -> bool:
        """Whether the name alone decides."""
        return self.shows is None and self.unless is None


_NO_EXAMPLES: Final = "!*example* !*sample* !*template* !*.tmpl !*-tmpl !*_tmpl !*.dist !*-dist !*_dist !*.defaults !*-defaults !*_defaults !*.j2 !*.jinja"
_DATA: Final = (
    "json",
    "yml",
    "yaml",
    "toml",
    "ini",
    "cfg",
    "conf",
    "xml",
    "csv",
    "txt",
    "properties",
    "db",
)


def _data(*stems: str) -> str:
    """Return names of data files, with and without a file extension."""
    return " ".join(f"{stem} " + " ".join(f"{stem}.{end}" for end in _DATA) for stem in stems)


ROWS: Final[tuple[Row, ...]] = (
    Row(
        f".env .env.* .env-* .env_* *.env *.env.* env.prod env.production env.staging env.local .envrc .envrc.* .flaskenv .dev.vars {_NO_EXAMPLES}",
        "settings with passwords and tokens",
    ),
    Row("env", "settings with passwords and tokens", shows=secret_contents.sets_password),
    Row(
        "*.pem *.key *.p8 *.pk8 *.privkey *.keypair",
        "a private key",
        unless=secret_contents.is_public,
    ),
    Row("*.der", "a private key", shows=secret_contents.is_der_key),
    Row(
        "id_rsa* id_dsa* id_ecdsa* id_ed25519* id_xmss* *_rsa *_dsa *_ecdsa *_ed25519 ssh_host_*_key deploy_key"
        " deploy-key *_deploy_key *-deploy-key *.ppk !*.pub",
        "a private SSH key",
    ),
    Row(
        "*.p12 *.pfx *.pkcs12 *.jks *.jceks *.keystore *.bcfks *.bek *.tpm *.fve *.pvk *.snk",
        "a store of private keys",
    ),
    Row(
        "*.kdbx *.kdb *.psafe3 *.agilekeychain *.keychain *.keychain-db *.kwallet *.keyring",
        "a password safe",
    ),
    Row(
        "secring.* private*.gpg private*.asc secret*.gpg secret*.asc *-secret.asc *-private.asc age.key",
        "a private key",
    ),
    Row(
        "wallet.dat wallet.json keystore.json utc--20* otr.private_key",
        "the keys of an account",
    ),
    Row(
        ".netrc _netrc netrc .authinfo .git-credentials .gitconfig .hgrc .curlrc .wgetrc .pgpass pgpass.conf .pgpass.conf"
        " .my.cnf .mylogin.cnf .cqlshrc .mongorc.js .dbshell .msmtprc .esmtprc .fetchmailrc .offlineimaprc .mbsyncrc"
        " .muttrc .ftpconfig .remote-sync.json sftp-config.json sftp.json filezilla.xml recentservers.xml sitemanager.xml"
        " .smbcredentials .passwd-s3fs passwd-s3fs dbeaver-data-sources.xml .dbeaver-data-sources.xml"
        " datasources.local.xml robomongo.json .rdesktop *.rdp .tmate.conf .vnc/passwd .tigervnc/passwd *.rdg .remmina .xauthority .rhosts .cifs-credentials .davfs2/secrets .sentryclirc .edgerc unattend.xml sysprep.xml .google_authenticator *.keytab krb5cc_* .ansible/galaxy_token galaxy_token .irssi/config .xchat2/servlist_.conf",
        "logins",
    ),
    Row(
        ".htpasswd htpasswd passwd shadow gshadow proftpdpasswd !etc/passwd",
        "hashes of passwords",
    ),
    Row(
        "vault_pass* .vault_pass* vault-pass* .vault-pass* .ansible-vault ansible-vault.yml .password .passwords"
        f" ipsec.secrets {_NO_EXAMPLES}",
        "passwords",
    ),
    Row(_data("passwords", "password"), "passwords", unless=secret_contents.is_prose),
    Row("vault.yml vault.yaml", "passwords", shows=secret_contents.sets_password),
    Row(
        ".pypirc pip.conf pip.ini .gem/credentials .bundle/config .cargo/credentials .cargo/credentials.toml auth.json"
        " pypoetry/auth.toml uv/credentials.toml .m2/settings.xml settings-security.xml .gradle/gradle.properties",
        "the login of a package index",
    ),
    Row(
        ".npmrc .yarnrc .yarnrc.yml .condarc uv.toml bunfig.toml poetry.toml nuget.config gradle.properties",
        "the token of a package registry",
        shows=secret_contents.sets_password,
    ),
    Row(
        ".docker/config.json .dockercfg .dockerconfigjson containers/auth.json",
        "logins of image registries",
    ),
    Row(
        f".kube/config kubeconfig* kube.config kube_config* kube-config* *.kubeconfig k3s.yaml {_NO_EXAMPLES}",
        "the keys of a cluster",
    ),
    Row(
        "service-account*.json service_account*.json serviceaccount*.json *service-account.json *service_account.json"
        " client_secret*.json *firebase-adminsdk*.json gcp-key*.json gcp_key*.json application_default_credentials.json"
        " accesstokens.json azureprofile.json msal_token_cache.* .boto .s3cfg .ossutilconfig .databrickscfg rclone.conf"
        f" .serverlessrc *.publishsettings *.cscfg {_NO_EXAMPLES}",
        "the keys of a cloud account",
    ),
    Row(
        f"{_data('credentials', 'credential')} .credentials .credential *_credentials *-credentials *_credentials.json"
        f" *-credentials.json *.credentials {_NO_EXAMPLES}",
        "credentials",
    ),
    Row(
        f"{_data('secrets', 'secret')} .secrets .secret .secrets.* .secret.* secrets.enc *.secret *.secrets {_NO_EXAMPLES}"
        " !.secrets.baseline",
        "secrets",
        unless=secret_contents.is_templated,
    ),
    Row(
        f".vault-token .terraformrc terraform.rc *.tfvars *.tfvars.json *.tfstate *.tfstate.* {_NO_EXAMPLES}",
        "tokens, or a state that holds them",
    ),
    Row(
        "local_settings.py settings_local.py config.local.* appsettings.production.json appsettings.*local.json wp-config.php"
        " localsettings.php secret_token.rb",
        "settings of one installation, with its passwords",
    ),
    Row(
        ".streamlit/secrets.toml kaggle.json huggingface/token .huggingface/token huggingface/stored_tokens .modal.toml"
        " .snowsql/config snowflake/connections.toml .snowflake/connections.toml .dbt/profiles.yml .dbtrc"
        " .prefect/profiles.toml wandb/settings .wandb/settings gh/hosts.yml .config/hub doctl/config.yaml .config/linode-cli"
        " .circleci/cli.yml .pulumi/credentials.json .terraform.d/credentials.tfrc.json hcloud/cli.toml scw/config.yaml ngrok/ngrok.yml .ngrok2/ngrok.yml ngrok.yml .netlify/config.json .railway/config.json .mc/config.json .supabase/access-token .doppler/.doppler.yaml stripe/config.toml openstack/secure.yaml clouds.yaml secure.yaml .cloudflared/*.json .cloudflared/cert.pem .wrangler/config/default.toml ngc/config .ngc/config .lightning/credentials.json .cohere/config .runpod/config.toml .replicate/token .comet.config .neptune/credentials .config/heroku .trc .twurlrc .tugboat recon-ng/keys.db"
        " .recon-ng/keys.db .jupyter/*.json solana/id.json token.json token.pickle .token",
        "the token of a service",
    ),
    Row(
        "profiles.yml database.yml appsettings*.json application*.properties application*.yml config.json admin.conf",
        "settings with a password in them",
        shows=secret_contents.sets_password,
    ),
    Row("*.ovpn wg*.conf", "the keys of a private network"),
    Row(
        ".*_history fish_history consolehost_history.txt .history .zhistory .histfile .sh_history .lesshst",
        "what was typed, passwords among it",
    ),
    Row(
        "cookies.txt cookies.sqlite cookies.json login*data logins.json key3.db key4.db signons.sqlite",
        "what a browser keeps of logins",
    ),
    Row("*.har", "recorded requests with their logins", shows=secret_contents.records_login),
    Row("dump.sql backup.sql *.sqldump *.pgdump dump.rdb", "the dump of a database"),
)
"""Rows for files and symbolic links; the first that fits gives the reason."""

FOLDERS: Final[tuple[Row, ...]] = (
    Row(
        ".ssh .gnupg .pki .password-store .age sops/age .git-crypt .local/share/keyrings",
        "private keys and passwords",
    ),
    Row(
        ".aws .azure .config/gcloud .oci .aliyun .bluemix .tccli .chef",
        "the keys of a cloud account",
    ),
    Row(
        ".config/gh .config/glab-cli .config/op .config/rclone .config/doctl .config/sops .sops uv/credentials .heroku .fly .cf"
        " .mutt .recon-ng .purple .envs .git-credential-cache .config/stripe .config/hcloud .config/scw .config/flyctl .cloudflared",
        "logins of a program",
    ),
    Row(".electrum .bitcoin .ethereum .monero", "the keys of an account"),
)
"""Rows for folders, which are left out as a whole."""

_SOURCE: Final = (
    "py pyi pyx pxd pyc pyo ipynb js jsx mjs cjs ts tsx vue svelte go rs c h cc cpp cxx hpp hh cs java kt kts scala groovy rb"
    " php pl pm lua r jl m mm swift dart ex exs erl hs ml clj lisp el sh bash zsh fish ps1 bat cmd css scss less html htm svg"
    " proto graphql so o a dll dylib exe whl egg"
)
SOURCE: Final = frozenset(_SOURCE.split())
"""Endings of source code, and of what is built from it: a program without it does not run."""
