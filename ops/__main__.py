"""
The command line of the workflows' steps: `python -m ops STEP`, each behind a make target.

Every step reads what it needs when it runs: those that only talk to GitHub need no package.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ops.errors import DeliveryError

PREVIEW_MARKER = "story-tts: preview"
DRIFT_MARKER = "story-tts: drift"
DRIFT_TITLE = "The deployed stacks are not what the program says"
Step = Callable[[argparse.Namespace], None]


def preview(arguments: argparse.Namespace) -> None:
    """Preview one stack, and save what may be shown of it."""
    from ops.pulumi import Stack
    from ops.report import Report

    report = Report.of(Stack(arguments.stack).preview(arguments.image))
    report.save(arguments.folder)
    print(f"{report.stack}: {len(report.changes)} changes, {len(report.violations)} violations")


def page(arguments: argparse.Namespace) -> None:
    """Put the saved previews on one page, which is also the run's summary."""
    from ops.job import summarize
    from ops.report import render_preview, saved_in

    text = render_preview(saved_in(arguments.folder), commit=os.environ.get("COMMIT", "this commit"))
    (arguments.folder / "comment.md").write_text(text)
    summarize(text)


def verdict(arguments: argparse.Namespace) -> None:
    """Fail where a preview failed or a rule would be broken."""
    from ops.report import saved_in

    reports = saved_in(arguments.folder)
    if not reports:
        raise DeliveryError(f"{arguments.folder} holds no preview")
    faults = [f"the preview of {report.stack} failed" for report in reports if report.error]
    faults += [
        f"{found.rule}: {found.resource}: {found.said}" for report in reports for found in report.violations
    ]
    if faults:
        raise DeliveryError("\n".join(faults))


def comment(arguments: argparse.Namespace) -> None:
    """Write the page as the one comment of a pull request."""
    from ops.github import GitHub

    body = _page(arguments.folder / "comment.md")
    print(GitHub.of_job().comment_once(_number("PULL_REQUEST"), body, marker=PREVIEW_MARKER))


def release(arguments: argparse.Namespace) -> None:
    """Deploy one stack, and hand on the digest that it runs."""
    from ops.job import set_output, summarize
    from ops.pulumi import Stack

    stack = Stack(arguments.stack)
    stack.up(arguments.image)
    outputs = stack.outputs()
    set_output("digest", str(outputs["image_digest"]))
    summarize(
        f"### `{stack.name}` is up\n\n| | |\n|---|---|\n| image | `{outputs['image']}` |\n"
        f"| tag | `{outputs['image_tag']}` |\n| service | `{outputs['service_name']}` |\n"
        f"| dashboard | {outputs['dashboard_url']} |"
    )


def scan(arguments: argparse.Namespace) -> None:
    """Tell what the scan of the stack's image found; fail where it is too much."""
    from ops.job import summarize
    from ops.pulumi import Stack
    from ops.scan import scan_of

    outputs = Stack(arguments.stack).outputs()
    if "image" not in outputs:
        raise DeliveryError(f"stack {arguments.stack} runs no image: is it up?")
    image = str(outputs["image"])
    found = scan_of(image, region=str(outputs["region"]), timeout_secs=arguments.timeout)
    summarize(f"**Scan** of `{image.partition('@')[2]}`: {found}")
    print(f"{image}: {found}")
    if number := found.at_least(arguments.fail_on):
        raise DeliveryError(f"{number} findings of {arguments.fail_on.lower()} severity or worse: see ECR")


def same_image(arguments: argparse.Namespace) -> None:
    """Fail unless a stack runs the image of this digest: another deployment may have taken its place."""
    from ops.pulumi import Stack

    running = str(Stack(arguments.stack).outputs().get("image_digest", "no image"))
    if running != arguments.image:
        raise DeliveryError(f"{arguments.stack} runs {running} by now, not {arguments.image or 'an image'}")
    print(f"{arguments.stack} runs {running}")


def drift(arguments: argparse.Namespace) -> None:
    """Compare one stack with the cloud, and save where they differ."""
    from ops.pulumi import Stack
    from ops.report import Report

    report = Report.of(Stack(arguments.stack).preview(arguments.image, refresh=True))
    report.save(arguments.folder)
    print(f"{report.stack}: {report.error or f'{len(report.changes)} differences'}")


def drift_page(arguments: argparse.Namespace) -> None:
    """Put what differs on one page; an empty one says that nothing does."""
    from ops.job import summarize
    from ops.report import render_drift, saved_in

    reports = saved_in(arguments.folder)
    if not reports:
        raise DeliveryError(f"{arguments.folder} holds no stack: nothing was compared")
    text = "" if all(report.is_clean for report in reports) else render_drift(reports)
    (arguments.folder / "issue.md").write_text(text)
    summarize(text or "No drift.")


def drift_issue(arguments: argparse.Namespace) -> None:
    """Have one issue open while there is drift: opened, brought up to date, closed."""
    from ops.github import GitHub, is_marked_as

    github = GitHub.of_job()
    body = _page(arguments.folder / "issue.md")
    issue = github.find_issue(DRIFT_MARKER)
    if not body and issue is None:
        print("no drift")
    elif not body and issue is not None:
        github.close_issue(issue["number"], "Cloud and program agree again.")
        print(f"closed {issue['html_url']}")
    elif issue is None:
        print(f"opened {github.open_issue(DRIFT_TITLE, body, marker=DRIFT_MARKER)}")
    elif is_marked_as(issue, body, marker=DRIFT_MARKER):
        print(f"unchanged {issue['html_url']}")
    else:
        print(f"updated {github.update_issue(issue['number'], body, marker=DRIFT_MARKER)}")


def roles(arguments: argparse.Namespace) -> None:
    """Create or update the roles that workflows assume."""
    from ops.roles import documents, ensure_roles

    if arguments.show:
        print(documents(arguments.repository, arguments.account or "ACCOUNT", arguments.state_bucket))
        return
    for line in ensure_roles(arguments.repository, state_bucket=arguments.state_bucket):
        print(line)


def _page(file: Path) -> str:
    if not file.exists():
        raise DeliveryError(f"there is no {file}: the job that looks writes it")
    return file.read_text()


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    if not text.isdigit():
        raise DeliveryError(f"{variable} must be a number")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")

    def step(
        function: Step, *, stack: bool = False, image: bool = False, folder: str = ""
    ) -> argparse.ArgumentParser:
        added = steps.add_parser(function.__name__.replace("_", "-"), help=function.__doc__)
        added.set_defaults(step=function)
        if stack:
            added.add_argument("--stack", required=True)
        if image:
            added.add_argument("--image", default="", help="tag, digest, `running`, or nothing to build it")
        if folder:
            added.add_argument("--folder", type=Path, default=Path(folder))
        return added

    for function in (preview, drift):
        step(function, stack=True, image=True, folder=f"out/{function.__name__}")
    for function in (page, verdict, comment):
        step(function, folder="out/preview")
    for function in (drift_page, drift_issue):
        step(function, folder="out/drift")
    for function in (release, same_image):
        step(function, stack=True, image=True)
    scanning = step(scan, stack=True)
    scanning.add_argument("--fail-on", default="CRITICAL", choices=("CRITICAL", "HIGH", "MEDIUM"))
    scanning.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for a scan")
    making = step(roles)
    making.add_argument("--repository", required=True, help="owner/name on GitHub, or owner@1/name@2")
    making.add_argument("--state-bucket", required=True, help="bucket of Pulumi's state")
    making.add_argument("--account", help="AWS account, with --show")
    making.add_argument("--show", action="store_true", help="print the documents and change nothing")
    return parser


def main() -> None:
    """Run one step; what is wrong is told a line each, and the exit code is 1."""
    arguments = _parser().parse_args()
    try:
        arguments.step(arguments)
    except DeliveryError as error:
        for line in str(error).splitlines():
            print(
                f"::error::{line}" if os.environ.get("GITHUB_ACTIONS") else f"error: {line}", file=sys.stderr
            )
        sys.exit(1)


if __name__ == "__main__":
    main()
