"""The laws and rules that give periods and lines, by code, with their names."""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts.codes import Named

MEDIATION_ARBITRATION = "mediation_arbitration_law"
CASE_HANDLING = "case_handling_rules"
CONSULTATION = "consultation_provisions"
INSPECTION = "inspection_regulation"
INSPECTION_DETAIL = "inspection_provisions"
COLLECTIVE_CONTRACTS = "collective_contract_provisions"
WAGE_NEGOTIATION = "wage_negotiation_measures"
LABOUR_CONTRACTS = "labour_contract_law"
TRADE_UNIONS = "trade_union_law"
HARDSHIP = "hardship_rules"
DEMOCRATIC_MANAGEMENT = "democratic_management_provisions"

LAWS: Mapping[str, Named] = {
    MEDIATION_ARBITRATION: Named("中华人民共和国劳动争议调解仲裁法(2007年)", "Labour Dispute Mediation and Arbitration Law 2007"),
    CASE_HANDLING: Named(
        "劳动人事争议仲裁办案规则(2017年人社部令第33号)", "Case-handling Rules of Labour and Personnel Arbitration 2017 (order 33)"
    ),
    CONSULTATION: Named(
        "企业劳动争议协商调解规定(2011年人社部令第17号)", "Provisions on Consultation and Mediation of Labour Disputes 2011 (order 17)"
    ),
    INSPECTION: Named("劳动保障监察条例(2004年)", "Regulation on Labour Security Inspection 2004"),
    INSPECTION_DETAIL: Named("关于实施《劳动保障监察条例》若干规定(2004年)", "Several Provisions on Labour Security Inspection 2004"),
    COLLECTIVE_CONTRACTS: Named("集体合同规定(2004年劳社部令第22号)", "Provisions on Collective Contracts 2004 (order 22)"),
    WAGE_NEGOTIATION: Named("工资集体协商试行办法(2000年劳社部令第9号)", "Trial Measures for Collective Wage Negotiation 2000 (order 9)"),
    LABOUR_CONTRACTS: Named("中华人民共和国劳动合同法(2012年修正)", "Labour Contract Law 2012"),
    TRADE_UNIONS: Named("中华人民共和国工会法(2021年修正)", "Trade Union Law 2021"),
    HARDSHIP: Named("全国总工会及各地困难职工认定办法", "Rules of the federations on workers in hardship"),
    DEMOCRATIC_MANAGEMENT: Named("企业民主管理规定(2012年)", "Provisions on Democratic Management of Enterprises 2012"),
}
"""{code: the law's name}"""
