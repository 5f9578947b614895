"""Files with secrets, as programs write them, and harmless lookalikes: what a context must leave out, and what it must not.

None of these secrets is real: the values are derived from a digest, and assembled so that no scanner flags this file.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

__all__ = ["HARMLESS", "SECRET"]

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALPHABET: Final = f"{_LETTERS}0123456789"


def _drawn(seed: str, length: int, alphabet: str = _ALPHABET) -> str:
    """Return a deterministic text that looks random."""
    data = hashlib.shake_256(seed.encode()).digest(length)
    return "".join(alphabet[byte % len(alphabet)] for byte in data)


def _hex(seed: str, length: int) -> str:
    return _drawn(seed, length, "0123456789abcdef")


def _key(kind: str = "PRIVATE", *, end: str = "\n") -> str:
    data = base64.b64encode(hashlib.shake_256(kind.encode()).digest(192)).decode()
    rows = [data[at : at + 64] for at in range(0, len(data), 64)]
    return end.join((f"-----BEGIN {kind} KEY-----", *rows, f"-----END {kind} KEY-----", ""))


_PKCS8: Final = _key()
_RSA: Final = _key("RSA PRIVATE")
_SSH: Final = _key("OPENSSH PRIVATE")
_PUBLIC: Final = _key("PUBLIC")
_CERTIFICATE: Final = _PUBLIC.replace("PUBLIC KEY", "CERTIFICATE")
_GITHUB: Final = "ghp" + "_" + _drawn("github", 36)
_ACCOUNT: Final = f'{{"type": "service_account", "private_key": "{_key(end=chr(92) + "n")}"}}'
_PASSWORD: Final = _drawn("password", 14)
_TOKEN: Final = _drawn("token", 32)

_NAMED: Final = """
.env .env.local .env.production .env-staging .env_old prod.env production.env secrets.env app.env docker/web.env .envrc
.envrc.local .flaskenv .dev.vars .env.sh
id_rsa id_dsa id_ecdsa id_ed25519 id_rsa.bak id_rsa_work id_ed25519_github deploy_key deploy-key ci_deploy_key
ssh_host_rsa_key work_rsa backup_ed25519 server.ppk ID_ECDSA
my.p12 my.pfx my.pkcs12 my.jks my.keystore my.bcfks disk.bek my.tpm my.pvk release.keystore
safe.kdbx safe.kdb safe.psafe3 login.keychain login.keychain-db default.kwallet login.keyring
secring.gpg secring.pgp private.asc private-2024.gpg secret.gpg me-secret.asc age.key
wallet.dat wallet.json keystore.json UTC--2020-01-01T00-00-00Z--abc otr.private_key
.netrc _netrc netrc .authinfo .git-credentials .gitconfig .hgrc .curlrc .wgetrc .pgpass pgpass.conf .pgpass.conf .my.cnf
.mylogin.cnf .cqlshrc .mongorc.js .dbshell .msmtprc .esmtprc .fetchmailrc .offlineimaprc .mbsyncrc .muttrc .mutt/muttrc
.ftpconfig .remote-sync.json sftp-config.json editor/sftp.json filezilla.xml recentservers.xml sitemanager.xml
.smbcredentials .passwd-s3fs .dbeaver-data-sources.xml x/dataSources.local.xml robomongo.json .rdesktop office.rdp
.tmate.conf .vnc/passwd .irssi/config .purple/accounts.xml
.htpasswd htpasswd passwd shadow gshadow proftpdpasswd
vault_pass.txt .vault_pass .vault_pass.txt vault-password .vault-password .ansible-vault ansible-vault.yml passwords.txt
passwords.csv password.txt .password ipsec.secrets
.pypirc pip.conf pip.ini .pip/pip.conf .config/pip/pip.conf .gem/credentials .bundle/config .cargo/credentials
.cargo/credentials.toml auth.json .composer/auth.json .config/pypoetry/auth.toml .uv/credentials.toml uv/credentials.toml
.local/share/uv/credentials/credentials.toml .m2/settings.xml settings-security.xml .gradle/gradle.properties
.docker/config.json .dockercfg .dockerconfigjson .config/containers/auth.json
.kube/config kubeconfig kubeconfig.yaml kubeconfig.yml config/kubeconfig.yaml kubeconfig-prod kube.config k8s.kubeconfig
k3s.yaml kube_config_cluster.yml
service-account.json service_account_prod.json my-service-account.json client_secret.json client_secret_1.apps.json
firebase-adminsdk.json p-firebase-adminsdk-ab1.json gcp-key.json gcp_key.json gcp-credentials.json
application_default_credentials.json accessTokens.json azureProfile.json msal_token_cache.bin .boto .s3cfg .ossutilconfig
.databrickscfg rclone.conf .config/rclone/rclone.conf .serverlessrc my.publishsettings web.cscfg
credentials credentials.json credentials.yml credentials.toml credentials.csv credentials.db credential.json .credentials
aws/credentials aws_credentials gcp_credentials.json prod-credentials.json db.credentials
secrets.toml secrets.yaml secrets.yml secrets.json secrets.ini secret.yaml secret.json .secrets .secret .secrets.toml
app.secret
terraform.tfvars prod.auto.tfvars prod.tfvars.json terraform.tfstate terraform.tfstate.backup .terraform/terraform.tfstate
.terraformrc terraform.rc .vault-token
.streamlit/secrets.toml kaggle.json .kaggle/kaggle.json .cache/huggingface/token .huggingface/token .modal.toml
.snowsql/config .snowflake/connections.toml .dbt/profiles.yml .dbtrc .prefect/profiles.toml .config/wandb/settings
.wandb/settings .config/gh/hosts.yml .config/glab-cli/config.yml .config/hub .config/op/config .config/doctl/config.yaml
.config/linode-cli .config/heroku .heroku/netrc .config/solana/id.json .circleci/cli.yml .pulumi/credentials.json
.fly/config.yml .cf/config.json .trc .twurlrc .tugboat .recon-ng/keys.db .jupyter/jupyter_notebook_config.json
.jupyter/jupyter_server_config.json token.json token.pickle .token
client.ovpn vpn.ovpn wg0.conf wg-home.conf
.bash_history .zsh_history .python_history .psql_history .mysql_history .sqlite_history .node_repl_history .irb_history
.rediscli_history .history .lesshst
cookies.txt cookies.sqlite logins.json key4.db
dump.sql backup.sql old.sqldump
local_settings.py settings_local.py site/local_settings.py config.local.yaml appsettings.Production.json wp-config.php
.ssh/config .ssh/known_hosts .ssh/id_ed25519 .gnupg/pubring.kbx .password-store/x.gpg .age/key.txt .sops/age/keys.txt
.config/sops/age/keys.txt .git-crypt/keys/default .aws/config .aws/sso/cache/t.json .azure/azureProfile.json
.config/gcloud/credentials.db .oci/config .aliyun/config.json .bluemix/config.json .tccli/default.credential .chef/knife.rb
.electrum/wallets/w .bitcoin/wallet.dat
master.key config/master.key server.key server.pem privkey.pem AuthKey_ABC.p8 release.pk8
app.env.local docker.env.bak env.prod env.local .envs/.production/.django app.jceks app.snk .tigervnc/passwd hosts.rdg .Xauthority
.rhosts .sentryclirc .edgerc unattend.xml http.keytab krb5cc_1000 .ansible/galaxy_token .terraform.d/credentials.tfrc.json
.config/hcloud/cli.toml .config/scw/config.yaml .config/ngrok/ngrok.yml .netlify/config.json .mc/config.json .config/stripe/config.toml
clouds.yaml .cloudflared/cert.pem .cloudflared/1a2b.json .ngc/config .replicate/token .local/share/fish/fish_history
ConsoleHost_history.txt cookies.json prod.pgdump dump.rdb .git-credential-cache/socket .monero/wallet
"""
_TOKENS: Final = (
    "AK" + "IA" + _drawn("aws", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "aws_secret_" + f"access_key = {_drawn('secret', 40)}",
    _GITHUB,
    "gho" + "_" + _drawn("gho", 36),
    "ghs" + "_" + _drawn("ghs", 36),
    "github_" + "pat_" + _drawn("pat", 82),
    "gl" + "pat-" + _drawn("gitlab", 20),
    "xo" + f"xb-{_drawn('x', 12, '0123456789')}-{_drawn('slack', 24)}",
    f"https://hooks.{'slack'}.com/services/T{_drawn('t', 8, 'ABC123')}/B{_drawn('b', 8, 'ABC123')}/{_drawn('hook', 24)}",
    "sk" + "_live_" + _drawn("stripe", 24),
    "np" + "m_" + _drawn("npm", 36),
    "py" + "pi-AgE" + "IcHlwaS5vcmc" + _drawn("pypi", 90),
    "hf" + "_" + _drawn("hf", 34, _LETTERS),
    "AI" + "za" + _drawn("google", 35),
    "ya" + "29." + _drawn("oauth", 80),
    "GOC" + "SPX-" + _drawn("client", 28),
    "sk-" + f"proj-{_drawn('openai', 40)}" + "T3Blbk" + "FJ" + _drawn("ai", 40),
    "sk-" + "ant-api03-" + _drawn("anthropic", 95),
    "SG" + f".{_drawn('sg', 22)}.{_drawn('grid', 43)}",
    "dop" + "_v1_" + _hex("do", 64),
    "shp" + "at_" + _hex("shopify", 32),
    "hv" + "s." + _drawn("vault", 28),
    "da" + "pi" + _hex("databricks", 32),
    f"{_drawn('bot', 9, '123456789')}:A" + "A" + _drawn("telegram", 33),
    f"{_drawn('tf', 14)}.atlas" + f"v1.{_drawn('cloud', 67)}",
    "dckr" + "_pat_" + _drawn("docker", 27),
    "gl" + f"sa_{_drawn('grafana', 32)}_{_hex('sum', 8)}",
    "pu" + "l-" + _hex("pulumi", 40),
    "rubygems" + "_" + _hex("gem", 48),
    "AccountKey" + f"={_drawn('azure', 86)}==",
    "gs" + "k_" + _drawn("groq", 52),
    "lin" + "_api_" + _drawn("linear", 40),
    "psc" + f"ale_tkn_{_drawn('planetscale', 43)}",
    "xkey" + f"sib-{_hex('brevo', 64)}-{_drawn('brevo', 16)}",
    f"{_hex('mailchimp', 32)}-u" + "s12",
    "ke" + f"y-{_hex('mailgun', 32)}",
    f"https://dis{'cord'}.com/api/webhooks/{_drawn('d', 18, '123456789')}/{_drawn('discord', 68)}",
    "pa" + f"t{_drawn('air', 14)}.{_hex('table', 64)}",
    "sec" + f"ret_{_drawn('notion', 43)}",
    "fig" + f"d_{_drawn('figma', 40)}",
    "HR" + f"KU-{_drawn('heroku', 36)}",
    "dt0" + f"c01.{_drawn('dyna', 24).upper()}.{_drawn('trace', 64).upper()}",
    "gl" + f"c_{_drawn('grafana', 80)}",
    "pat-" + f"na1-{_hex('h', 8)}-{_hex('u', 4)}-{_hex('b', 4)}-{_hex('s', 4)}-{_hex('p', 12)}",
    "AK" + f"Cp{_drawn('artifactory', 69)}",
    "LT" + f"AI{_drawn('alibaba', 20)}",
    "ppl" + f"x-{_drawn('perplexity', 48)}",
    "xa" + f"i-{_drawn('grok', 80)}",
    "lsv" + f"2_pt_{_hex('lang', 32)}_{_hex('smith', 10)}",
    "nf" + f"p_{_drawn('netlify', 36)}",
    "sb_" + f"secret_{_drawn('supabase', 31)}",
    "CFP" + f"AT-{_drawn('contentful', 43)}",
    "tskey-" + f"auth-{_drawn('ts', 12)}-{_drawn('net', 32)}",
)

SECRET: Final[dict[str, str]] = {
    # Recognized by name, whatever the content.
    **{name: f"value of {name}\n" for name in _NAMED.split()},
    "Login Data": "SQLite format 3",
    # Private keys under any name.
    "key.txt": _PKCS8,
    "notes.md": f"# How to log in\n\n```\n{_RSA}```\n",
    "data": _SSH,
    "server.crt": _CERTIFICATE + _PKCS8,
    "bundle.cer": _CERTIFICATE * 3 + _key("EC PRIVATE"),
    "host_key": _SSH,
    "mykey": _key("ENCRYPTED PRIVATE"),
    "windows.txt": _key(end="\r\n"),
    "values.yaml": "key: |\n" + "".join(f"  {line}\n" for line in _PKCS8.splitlines()),
    "settings.json": f'{{"key": "{_key(end=chr(92) + "n")}"}}',
    "old.txt": _RSA.replace(
        "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1
    ),
    "me.asc": _key("PGP PRIVATE").replace("KEY-----", "KEY BLOCK-----"),
    "putty.txt": "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
    "late.pem": "0" * 70_000 + "\n" + _PKCS8,
    "keys/late.key": _CERTIFICATE * 1000 + _RSA,
    "sa.json": _ACCOUNT,
    "myproj-1a2b3c4d5e6f.json": _ACCOUNT,
    "keys.txt": "AGE-SECRET-" + "KEY-1" + _drawn("age", 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    **{f"token-{number}.txt": f"token: {token}\n" for number, token in enumerate(_TOKENS)},
    # Ordinary settings files, with a password in them.
    ".npmrc": f"//registry.example.org/:_authToken={_TOKEN}\n",
    ".yarnrc": f"_authToken={_TOKEN}\n",
    ".yarnrc.yml": f"npmAuthToken: {_TOKEN}\n",
    ".condarc": f"channels:\n  - https://conda.example.org/t/ab-{_hex('c', 8)}-{_hex('o', 4)}-{_hex('n', 22)}/x\n",
    "poetry.toml": f'[http-basic.mine]\nusername = "me"\npassword = "{_PASSWORD}"\n',
    "uv.toml": f'[[index]]\nurl = "https://me:{_PASSWORD}@index.example.org/simple"\n',
    "nuget.config": f'<add key="ClearTextPassword" value="{_PASSWORD}" />\n',
    "x/NuGet.Config": f'<add key="ClearTextPassword" value="{_PASSWORD}" />\n',
    "gradle.properties": f"org.gradle.jvmargs=-Xmx2g\nmavenPassword={_PASSWORD}\n",
    "profiles.yml": f"my:\n  outputs:\n    dev:\n      password: {_PASSWORD}\n",
    "config/database.yml": f"production:\n  password: {_PASSWORD}\n",
    "appsettings.json": f'{{"ConnectionStrings": {{"Db": "Server=db;User=sa;Password={_PASSWORD};"}}}}',
    "application.properties": f"spring.datasource.password={_PASSWORD}\n",
    "application-prod.yml": f"spring:\n  datasource:\n    password: {_PASSWORD}\n",
    "config.json": f'{{"auths": {{"registry.example.org": {{"auth": "{_drawn("docker", 24)}"}}}}}}',
    "x/config.json": f'{{"api_key": "{_TOKEN}"}}',
    "admin.conf": f"users:\n- user:\n    client-key-data: {_drawn('kube', 80)}\n",
    "cluster.yaml": f"users:\n- user:\n    client-key-data: {_drawn('kube', 80)}\n",
    "env": f"export DEBUG=1\nexport DB_PASSWORD={_PASSWORD}\n",
    "prod.har": f'{{"name": "Cookie", "value": "session={_TOKEN}"}}',
    "group_vars/vault.yml": "$ANSIBLE_" + "VAULT;1.1;AES256\n6162\n",
    "dotgit-copy/config": f'[remote "origin"]\n\turl = https://x:{_TOKEN}@git.example.org/x/y\n',
    "tunnel.conf": f"[Interface]\nPrivateKey = {_drawn('wg', 43)}=\n",
    ".travis.yml": f"env:\n  - GH={_GITHUB}\n",
    "README.txt": f"Use {_GITHUB} to clone.\n",
}
"""Contents of files that must not travel, by path."""

HARMLESS: Final[dict[str, str]] = {
    "app.py": "TOKEN = input()\n",
    "secrets.py": "import secrets\n",
    "credentials.py": "class Credentials: ...\n",
    "password.py": "",
    "kubeconfig.py": "",
    "keys.py": f"KEY = '''{_PKCS8}'''\n",
    "test_rsa.js": "",
    "id_rsa.pub": "ssh-rsa AAAA me\n",
    "deploy_key.pub": "ssh-ed25519 AAAA me\n",
    "cacert.pem": _CERTIFICATE * 400,
    "public.pem": _PUBLIC,
    "public.key": _PUBLIC,
    "empty.key": "",
    "slides.key": "PK\x03\x04slides",
    "server.crt": _CERTIFICATE,
    ".env.example": "TOKEN=\n",
    ".env.sample": "TOKEN=\n",
    ".env.template": "TOKEN=\n",
    ".env-dist": "TOKEN=\n",
    "example.env": "TOKEN=\n",
    "terraform.tfvars.example": 'token = ""\n',
    "environment.yml": "name: x\n",
    "uv.toml": "compile-bytecode = true\n",
    "settings.env.example": "TOKEN=\n",
    "docs/mail.md": "The key is like key-3ax6xnjp29jd6fds4gc373sgvjxteol0, on us12 or eu-us1.\n",
    "env": "#!/bin/sh\nexec /usr/bin/env\n",
    "etc/passwd": "app:x:1000:0::/home/app:/bin/sh\n",
    ".npmrc": "//registry.example.org/:_authToken=${NPM_TOKEN}\n",
    ".yarnrc.yml": "nodeLinker: node-modules\nnpmAuthToken: ${NPM_TOKEN}\n",
    "poetry.toml": "[virtualenvs]\nin-project = true\n",
    "gradle.properties": "org.gradle.jvmargs=-Xmx2g\n",
    "nuget.config": '<add key="nuget.org" value="https://api.nuget.org/v3/index.json" />\n',
    "profiles.yml": "my:\n  password: \"{{ env_var('PASSWORD') }}\"\n",
    "config/database.yml": "production:\n  password: <%= ENV['PASSWORD'] %>\n",
    "appsettings.json": '{"Logging": {"LogLevel": "Information"}}',
    "config.json": '{"bos_token_id": 0, "pad_token": "[PAD]", "tokenizer_class": "BertTokenizer"}',
    "static/config.json": '{"TEST_KEY": "foo", "SECRET_KEY": "config"}',
    "tokenizer.json": '{"added_tokens": [{"content": "<s>"}]}',
    "tokens.json": '{"a": 1}',
    "vocab.json": '{"password": 1, "secret": 2, "token": 3}',
    "templates/secret.yaml": "kind: Secret\ndata:\n  password: {{ .Values.password | b64enc }}\n",
    "docs/passwords.txt": "This page says how this program keeps passwords.\n" * 9,
    "docs/keys.md": "A key stands between `-----BEGIN PRIVATE KEY-----` and `-----END PRIVATE KEY-----`.\n",
    "docs/example.md": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA...\n-----END RSA PRIVATE KEY-----\n",
    "docs/aws.md": "aws_access_key_id = AKIA" + "IOSFODNN7EXAMPLE\n",
    "docs/tokens.md": "As `ghp_"
    + "x" * 36
    + "` or `ghp_…`; Slack's are like `xoxb-your-token-goes-here`.\n",
    "docs/url.md": "postgres://user:password@localhost/db and https://user@example.org/\n",
    ".travis.yml": f"env:\n  - secure: {_drawn('travis', 80)}\n",
    ".firebaserc": '{"projects": {"default": "p"}}',
    ".gitignore": ".env\nid_rsa\n",
    ".gitattributes": "* text=auto\n",
    ".secrets.baseline": '{"results": {}}',
    ".pre-commit-config.yaml": "repos: []\n",
    "poetry.lock": f'hash = "sha256:{_hex("lock", 64)}"\n',
    "requirements.txt": f"x==1 --hash=sha256:{_hex('hash', 64)}\n",
    "package-lock.json": f'{{"integrity": "sha512-{_drawn("npm", 86)}=="}}',
    "data.csv": "id,token,password\n1,abc,def\n",
    "schema.sql": "CREATE TABLE users (password TEXT);\n",
    "db.sqlite3": "SQLite format 3",
    "page.har": '{"log": {"entries": []}}',
    "keys.txt": "up\ndown\n",
    "key.txt": "A minor\n",
    "LICENSE": "Permission is hereby granted …\n",
    "submodule/.gitmodules": '[submodule "x"]\n\turl = https://git.example.org/x.git\n',
    "clone/config": '[remote "origin"]\n\turl = https://git.example.org/x.git\n',
    ".circleci/config.yml": "version: 2.1\n",
    "tunnel.conf": "PrivateKey = <your key>\n",
    "monkey": "",
}
"""Contents of files that must travel, by path."""
