"""One Cognito user pool and its groups, as a private workforce uses them.

A pool that is made here has one name, and its client and domain follow from it: a run that broke
off between two calls finds what it has made and goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gt_workflow.adapters.aws import translated
from gt_workflow.errors import ServiceError, UsageError
from gt_workflow.ports import Member

NAME = "gt-workflow"
_PAGE = 60  # the most that Cognito's lists give at once


class UserPool:
    """The operations on one pool."""

    def __init__(self, cognito: Any, id_: str) -> None:
        """Take a ready `cognito-idp` client."""
        self._cognito = cognito
        self.id = id_

    @classmethod
    def make(cls, cognito: Any) -> tuple[UserPool, str]:
        """Return the pool of our own name and its client's id; made if they are not there.

        Workers sign in with their e-mail. AWS asks for a domain, and for a client with a secret.
        """
        with translated("ListUserPools"):
            pages = cognito.get_paginator("list_user_pools").paginate(MaxResults=_PAGE)
            ids = [pool["Id"] for page in pages for pool in page["UserPools"] if _own(pool)]
        if not ids:
            with translated("CreateUserPool"):
                made = cognito.create_user_pool(
                    PoolName=NAME,
                    UsernameAttributes=["email"],
                    AutoVerifiedAttributes=["email"],
                    AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
                )
            ids = [made["UserPool"]["Id"]]
        pool = cls(cognito, ids[0])
        pool._make_domain()
        return pool, pool._make_client()

    def let_in(self, client: str, portal: str) -> None:
        """Let the client's sign-in lead to the worker portal; only a pool made here is touched."""
        with translated("DescribeUserPoolClient"):
            known = self._cognito.describe_user_pool_client(UserPoolId=self.id, ClientId=client)
        callback = f"https://{portal}/oauth2/idpresponse"
        there = known["UserPoolClient"]
        if there.get("ClientName") != NAME or callback in there.get("CallbackURLs", ()):
            return
        with translated("UpdateUserPoolClient"):
            self._cognito.update_user_pool_client(
                UserPoolId=self.id,
                ClientId=client,
                ClientName=NAME,
                CallbackURLs=[callback],
                LogoutURLs=[f"https://{portal}/logout"],
                SupportedIdentityProviders=["COGNITO"],
                AllowedOAuthFlows=["code", "implicit"],
                AllowedOAuthScopes=["email", "openid", "profile"],
                AllowedOAuthFlowsUserPoolClient=True,
            )

    def make_group(self, name: str, *, description: str) -> None:
        """Make sure of a group."""
        try:
            with translated("CreateGroup"):
                self._cognito.create_group(
                    GroupName=name, UserPoolId=self.id, Description=description
                )
        except ServiceError as error:
            if error.code != "GroupExistsException":
                raise

    def members(self, group: str) -> Iterator[Member]:
        """Yield the users of a group, by the name they are known by: their e-mail."""
        with translated("ListUsersInGroup"):
            pages = self._cognito.get_paginator("list_users_in_group")
            for page in pages.paginate(UserPoolId=self.id, GroupName=group):
                for user in page["Users"]:
                    facts = {one["Name"]: one.get("Value", "") for one in user["Attributes"]}
                    yield Member(
                        name=facts.get("email") or user["Username"],
                        id=facts.get("sub") or user["Username"],
                        status=user.get("UserStatus", ""),
                    )

    def add(self, email: str, group: str) -> None:
        """Put the user of an e-mail into a group; who is not known gets an invitation."""
        name = self._user(email)
        if name is None:
            with translated("AdminCreateUser"):
                made = self._cognito.admin_create_user(
                    UserPoolId=self.id,
                    Username=email,
                    UserAttributes=[
                        {"Name": "email", "Value": email},
                        {"Name": "email_verified", "Value": "true"},
                    ],
                    DesiredDeliveryMediums=["EMAIL"],
                )
            name = made["User"]["Username"]
        with translated("AdminAddUserToGroup"):
            self._cognito.admin_add_user_to_group(
                UserPoolId=self.id, Username=name, GroupName=group
            )

    def remove(self, name: str, group: str) -> bool:
        """Take the user of an e-mail or user name out of a group; False if not in it."""
        user = self._member(name, group)
        if user is None:
            return False
        with translated("AdminRemoveUserFromGroup"):
            self._cognito.admin_remove_user_from_group(
                UserPoolId=self.id, Username=user, GroupName=group
            )
        return True

    def _member(self, name: str, group: str) -> str | None:
        """Find a group's user, by e-mail in any capitals or by user name."""
        with translated("ListUsersInGroup"):
            pages = self._cognito.get_paginator("list_users_in_group")
            for page in pages.paginate(UserPoolId=self.id, GroupName=group):
                for user in page["Users"]:
                    facts = {one["Name"]: one.get("Value", "") for one in user["Attributes"]}
                    email = facts.get("email", "").casefold()
                    if user["Username"] == name or (email and email == name.casefold()):
                        return str(user["Username"])
        return None

    def _user(self, email: str) -> str | None:
        """Find the user of an e-mail; `UsageError` if the pool has several."""
        with translated("ListUsers"):
            answer = self._cognito.list_users(
                UserPoolId=self.id, Filter=f'email = "{email}"', Limit=2
            )
        names = [str(user["Username"]) for user in answer["Users"]]
        if len(names) > 1:
            raise UsageError(
                f"several users of the pool {self.id} have the e-mail {email}; "
                "add the right one in the Cognito console"
            )
        return names[0] if names else None

    def _make_domain(self) -> None:
        with translated("DescribeUserPool"):
            known = self._cognito.describe_user_pool(UserPoolId=self.id)["UserPool"]
        if known.get("Domain") or known.get("CustomDomain"):
            return
        # Unique in the region, since the pool's id is.
        domain = f"{NAME}-{self.id.rpartition('_')[2].lower()}"
        with translated("CreateUserPoolDomain"):
            self._cognito.create_user_pool_domain(Domain=domain, UserPoolId=self.id)

    def _make_client(self) -> str:
        with translated("ListUserPoolClients"):
            pages = self._cognito.get_paginator("list_user_pool_clients")
            for page in pages.paginate(UserPoolId=self.id, MaxResults=_PAGE):
                for client in page["UserPoolClients"]:
                    if client["ClientName"] == NAME:
                        return str(client["ClientId"])
        with translated("CreateUserPoolClient"):
            made = self._cognito.create_user_pool_client(
                UserPoolId=self.id,
                ClientName=NAME,
                GenerateSecret=True,
                ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
                SupportedIdentityProviders=["COGNITO"],
            )
        return str(made["UserPoolClient"]["ClientId"])


def _own(pool: dict[str, Any]) -> bool:
    return bool(pool.get("Name") == NAME)
