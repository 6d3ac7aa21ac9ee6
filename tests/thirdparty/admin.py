"""The history's own public views are those of the admin."""

from django.contrib import admin
from simple_history.admin import SimpleHistoryAdmin

from tests.thirdparty.models import Poll

admin.site.register(Poll, SimpleHistoryAdmin)
