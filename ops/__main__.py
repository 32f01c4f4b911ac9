"""
The command line: `python -m ops COMMAND`, each behind a make target.

A command imports what it needs when it runs: one that only writes to GitHub needs no installed package.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ops.errors import OpsError

PREVIEW_MARKER = "story-tts: preview"
COMMENT_FILE = "comment.md"
Command = Callable[[argparse.Namespace], None]


def info(arguments: argparse.Namespace) -> None:
    """Show service, tasks, image, queue, dead letters, dashboard and the last log lines of a stack."""
    from ops.info import service_info
    from ops.pulumi import Stack

    _print(service_info(Stack(arguments.stack).service_outputs()))


def logs(arguments: argparse.Namespace) -> None:
    """Show the last log lines of a stack."""
    from ops.info import log_lines
    from ops.pulumi import Stack

    _print(log_lines(Stack(arguments.stack).service_outputs(), lines=arguments.lines))


def environment(arguments: argparse.Namespace) -> None:
    """Print `export` lines that point story-tts at a stack."""
    from ops.environment import export_lines
    from ops.pulumi import Stack

    stack = Stack(arguments.stack)
    _print(export_lines(stack.service_outputs(), stack=stack.name))


def push(arguments: argparse.Namespace) -> None:
    """Push the local image to the repository of a stack."""
    from ops.pulumi import Stack
    from ops.registry import push_image

    push_image(Stack(arguments.stack).service_outputs(), tag=arguments.tag)


def credentials(_: argparse.Namespace) -> None:
    """Fail if AWS does not accept the credentials of this shell."""
    from ops.aws import check_credentials

    check_credentials()


def preview(arguments: argparse.Namespace) -> None:
    """Preview a stack and save what may be published of it."""
    from ops.pulumi import Stack
    from ops.report import Report

    report = Report.of(Stack(arguments.stack).preview(arguments.image))
    report.save(arguments.folder)
    print(f"{report.stack}: {len(report.changes)} changes, {len(report.violations)} violations")


def preview_page(arguments: argparse.Namespace) -> None:
    """Write the saved previews as one page; fail if a preview failed or breaks a rule."""
    from ops.report import load_reports, render_comment
    from ops.workflow import add_summary

    reports = load_reports(arguments.folder)
    if not reports:
        raise OpsError(f"{arguments.folder} has no preview: run `make preview-report` first")
    page = render_comment(reports, commit=os.environ.get("COMMIT", "this commit"))
    (arguments.folder / COMMENT_FILE).write_text(page)
    add_summary(page)
    if problems := [problem for report in reports for problem in report.problems]:
        raise OpsError("\n".join(problems))


def preview_comment(arguments: argparse.Namespace) -> None:
    """Write the page as the one comment on a pull request."""
    from ops.github import GitHub

    page = arguments.folder / COMMENT_FILE
    if not page.exists():
        raise OpsError(f"there is no {page}: run `make preview-page` first")
    number = os.environ.get("PULL_REQUEST", "")
    if not number.isdigit():
        raise OpsError("PULL_REQUEST must be the number of a pull request")
    print(GitHub.from_job().put_comment(int(number), page.read_text(), marker=PREVIEW_MARKER))


def release(arguments: argparse.Namespace) -> None:
    """Deploy a stack without asking; the digest that it runs becomes an output of the step."""
    from ops.pulumi import Stack
    from ops.workflow import add_summary, set_output

    stack = Stack(arguments.stack)
    stack.up(arguments.image)
    outputs = stack.service_outputs()
    set_output("digest", str(outputs["image_digest"]))
    add_summary(
        f"### `{stack.name}` is deployed\n\n| | |\n|---|---|\n| image | `{outputs['image']}` |\n"
        f"| tag | `{outputs['image_tag']}` |\n| service | `{outputs['service_name']}` |\n"
        f"| dashboard | {outputs['dashboard_url']} |"
    )


def scan(arguments: argparse.Namespace) -> None:
    """Show what ECR's scan found in the image of a stack; fail on severe findings or without a result."""
    from ops.pulumi import Stack
    from ops.scan import scan_image
    from ops.workflow import add_summary

    outputs = Stack(arguments.stack).service_outputs()
    image = str(outputs["image"])
    result = scan_image(image, region=str(outputs["region"]), timeout_secs=arguments.timeout)
    add_summary(f"**Scan** of `{image.partition('@')[2]}`: {result}")
    print(f"{image}: {result}")
    result.require(below=arguments.fail_on)


def same_image(arguments: argparse.Namespace) -> None:
    """Fail unless a stack runs the image with this digest: another deployment may have replaced it."""
    from ops.pulumi import Stack

    running = str(Stack(arguments.stack).outputs().get("image_digest", "no image"))
    if running != arguments.image:
        raise OpsError(f"{arguments.stack} now runs {running}, not {arguments.image or 'an image'}")
    print(f"{arguments.stack} runs {running}")


def drift(arguments: argparse.Namespace) -> None:
    """Fail if the cloud and the program differ; Pulumi's log names the resources."""
    from ops.pulumi import Stack

    Stack(arguments.stack).check_drift(arguments.image)


def roles(arguments: argparse.Namespace) -> None:
    """Create or update the IAM roles that workflows assume."""
    from ops.roles import Scope, ensure_roles, show_roles

    scope = Scope(
        state_bucket=arguments.state_bucket,
        terraform_bucket=arguments.terraform_bucket,
        clusters=arguments.clusters.split(),
        pass_roles=arguments.pass_roles.split(),
    )
    if arguments.show:
        print(show_roles(arguments.repository, scope, account=arguments.account or "ACCOUNT"))
    else:
        _print(ensure_roles(arguments.repository, scope))


def sbom(arguments: argparse.Namespace) -> None:
    """Write a bill of materials per image."""
    from ops.sbom import write_bills

    _print(write_bills(arguments.folder))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description="Commands for a deployed stack.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run: Command, *options: str) -> argparse.ArgumentParser:
        command = commands.add_parser(run.__name__.replace("_", "-"), help=run.__doc__)
        command.set_defaults(run=run)
        if "stack" in options:
            command.add_argument("--stack", required=True, help="name of the Pulumi stack")
        if "image" in options:
            command.add_argument("--image", default="", help="tag, digest, `running`, or empty to build it")
        if "folder" in options:
            command.add_argument("--folder", type=Path, default=Path("out/preview"))
        return command

    for run in (info, environment):
        add(run, "stack")
    add(logs, "stack").add_argument("--lines", type=int, default=50)
    add(push, "stack").add_argument("--tag", required=True)
    add(credentials)
    add(preview, "stack", "image", "folder")
    for run in (preview_page, preview_comment):
        add(run, "folder")
    for run in (release, same_image, drift):
        add(run, "stack", "image")
    scan_command = add(scan, "stack")
    scan_command.add_argument("--fail-on", default="CRITICAL", choices=("CRITICAL", "HIGH", "MEDIUM"))
    scan_command.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for the scan")
    roles_command = add(roles)
    roles_command.add_argument("--repository", required=True, help="owner/name on GitHub, or owner@1/name@2")
    roles_command.add_argument("--state-bucket", required=True, help="bucket of Pulumi's state")
    roles_command.add_argument("--terraform-bucket", default="story-service-terraform-state")
    roles_command.add_argument("--clusters", default="", help="names of story-infra's clusters")
    roles_command.add_argument("--pass-roles", default="", help="ARNs of story-infra's task roles")
    roles_command.add_argument("--account", help="AWS account, with --show")
    roles_command.add_argument("--show", action="store_true", help="print the policies and change nothing")
    add(sbom).add_argument("--folder", type=Path, default=Path("out/sbom"))
    return parser


def main() -> None:
    """Run one command; errors are one line each, with exit code 1."""
    arguments = _parser().parse_args()
    prefix = "::error::" if os.environ.get("GITHUB_ACTIONS") else "error: "
    try:
        arguments.run(arguments)
    except OpsError as error:
        sys.exit("\n".join(f"{prefix}{line}" for line in str(error).splitlines()))


if __name__ == "__main__":
    main()
