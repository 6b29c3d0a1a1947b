"""Successive batches of feedback: the ten domains of CLINC150, whose file names intents only."""

import json
import random
from pathlib import Path

from core.errors import InvalidInput

Row = tuple[str, str]
"""A message, and the intent that it should be answered with."""
Batch = tuple[list[Row], list[Row]]
"""Messages to learn from, and others that are asked."""
DOMAINS = {
    "banking": (
        "freeze_account routing pin_change bill_due pay_bill account_blocked interest_rate min_payment "
        "bill_balance transfer order_checks balance spending_history transactions report_fraud"
    ),
    "credit cards": (
        "replacement_card_duration expiration_date damaged_card improve_credit_score report_lost_card "
        "card_declined credit_limit_change apr redeem_rewards credit_limit rewards_balance application_status "
        "credit_score new_card international_fees"
    ),
    "kitchen and dining": (
        "food_last confirm_reservation how_busy ingredients_list calories nutrition_info recipe "
        "restaurant_reviews restaurant_reservation meal_suggestion restaurant_suggestion cancel_reservation "
        "ingredient_substitution cook_time accept_reservations"
    ),
    "home": (
        "what_song play_music todo_list_update reminder reminder_update calendar_update order_status "
        "update_playlist shopping_list calendar next_song order todo_list shopping_list_update smart_home"
    ),
    "auto and commute": (
        "current_location oil_change_when oil_change_how uber traffic tire_pressure schedule_maintenance gas "
        "mpg distance directions last_maintenance gas_type tire_change jump_start"
    ),
    "travel": (
        "plug_type travel_notification translate flight_status international_visa timezone exchange_rate "
        "travel_suggestion travel_alert vaccines lost_luggage book_flight book_hotel carry_on car_rental"
    ),
    "utility": (
        "weather alarm date find_phone share_location timer make_call calculator definition "
        "measurement_conversion flip_coin spelling time roll_dice text"
    ),
    "work": (
        "pto_request_status next_holiday insurance_change insurance meeting_schedule payday taxes income "
        "rollover_401k pto_balance pto_request w2 schedule_meeting direct_deposit pto_used"
    ),
    "small talk": (
        "who_made_you meaning_of_life who_do_you_work_for do_you_have_pets what_are_your_hobbies fun_fact "
        "what_is_your_name where_are_you_from goodbye thank_you greeting tell_joke are_you_a_bot "
        "how_old_are_you what_can_i_ask_you"
    ),
    "meta": (
        "change_speed user_name whisper_mode yes change_volume no change_language repeat change_accent cancel "
        "sync_device change_user_name change_ai_name reset_settings maybe"
    ),
}


def batches(data: Path, count: int, domains: int, corrections: int, asked: int, seed: int) -> list[Batch]:
    """`count` batches of `domains` domains each, none twice: messages to learn from, and others that are asked.

    Raises: InvalidInput where the data is missing, or not what it should be.
    """
    given = {part: rows(data, part) for part in ("train", "test")}
    order = random.Random(seed)
    names = order.sample(sorted(DOMAINS), count * domains)
    found = []
    for start in range(0, len(names), domains):
        intents = {intent for name in names[start : start + domains] for intent in DOMAINS[name].split()}
        learn, ask = ([(text, i) for text, i in given[part] if i in intents] for part in ("train", "test"))
        found.append((_even(learn, corrections, order), _even(ask, asked, order)))
    return found


def rows(data: Path, part: str) -> list[Row]:
    """All messages of a part (`train` or `test`).

    Raises: InvalidInput where the data is missing, or not what it should be.
    """
    path = data / "clinc150" / "data_small.json"
    if not path.is_file():
        raise InvalidInput(f"{path} is missing; `--data` names the folder with clinc150/ in it.")
    given = json.loads(path.read_text(encoding="utf-8"))
    known = {intent for names in DOMAINS.values() for intent in names.split()}
    if known != {intent for _, intent in given["train"]}:
        raise InvalidInput(f"{path} has other intents than CLINC150.")
    return [(text, intent) for text, intent in given[part]]


def _even(given: list[Row], count: int, order: random.Random) -> list[Row]:
    """`count` of the rows, of every intent as many, give or take one."""
    shuffled = order.sample(given, len(given))
    turn: dict[str, int] = {}
    ranked = []
    for row in shuffled:
        turn[row[1]] = turn.get(row[1], 0) + 1
        ranked.append((turn[row[1]], row))
    ranked.sort(key=lambda each: each[0])
    chosen = [row for _, row in ranked[:count]]
    return order.sample(chosen, len(chosen))
